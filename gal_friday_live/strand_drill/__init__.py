"""`gal-friday strands drill`: real roles, killed again and again, and the truth about it afterwards."""
