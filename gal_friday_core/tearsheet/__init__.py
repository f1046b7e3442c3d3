"""What a run is worth beyond its headline: intervals, calendars, costs, regimes, comparisons. `sheet.tearsheet` makes all of it."""
