"""The run behind `minimize`, `minimize_many` and `gradient_descent`, and the forms of objectives."""
