"""One engine as several processes: alpha, decision maker and trader, with strands in place of the bus between them."""
