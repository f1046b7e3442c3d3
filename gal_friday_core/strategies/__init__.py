"""What to propose at the close of a bar; `registry` knows every strategy by its id."""
