"""One module for each part: ``run(stage)`` measures it and judges its budgets."""
