"""What watches an engine from outside, written from the metrics' definitions: Grafana's dashboards, alert rules, their reference."""
