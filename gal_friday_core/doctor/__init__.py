"""Whether an installation is fit to trade: what was measured of it, judged. Pure: `gal_friday_live.doctor` measures."""
