"""What the loop of training and a model agree on where the model descends row by row."""

SINGLE_ROWS = 128  # at most, in a call: what comes before and after them takes 0.3 µs
# Places in what a call adds up: losses, gradient norms, cosines between successive gradients, the number of these, and
# the norm of the last gradient; then, where there is room, the loss of each row.
ROW_LOSS, ROW_NORM, ROW_COSINE, ROW_PAIRS, LAST_ROW_NORM, ROW_LOSSES = range(6)
