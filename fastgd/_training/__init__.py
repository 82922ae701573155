"""The run behind `fit`, `sweep` and `lr_find`: its arrays, its compiled loop, and its preparation."""
