"""What scripts/sim is made of: batches of seeds as processes, their totals, the kept seeds, the command line."""
