"""`make bench`: Headgate beside honest baselines, side by side in one run, against the budgets."""
