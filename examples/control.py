"""A control loop that learns while it runs: a neuron foresees the disturbance, and the controller cancels it.

A mass is to be held at 0 against a disturbance that nobody has a model of. At every tick a linear neuron predicts the
disturbance from its last values, the controller takes the prediction off beside its usual feedback, the true value
is measured, and the neuron does one step. Python calls one compiled function a tick, as it would with hardware.
"""

import time

import numpy as np

import fastgd

N_PAST = 8
DT = 0.01


@fastgd.njit
def tick(optimizer, lr, params, state, grads, past, body, disturbance):
    """Predict, act, measure, learn; `body` (position, velocity) and the rest are modified in place."""
    predicted = params[N_PAST]
    for j in range(N_PAST):
        predicted += params[j] * past[j]
    force = -20 * body[0] - 6 * body[1] - predicted
    body[1] += DT * (force + disturbance)
    body[0] += DT * body[1]
    error = predicted - disturbance
    for j in range(N_PAST):
        grads[j] = 2 * error * past[j]
    grads[N_PAST] = 2 * error
    fastgd.update(optimizer, lr, grads, state, params)
    for j in range(N_PAST - 1, 0, -1):
        past[j] = past[j - 1]
    past[0] = disturbance


def run(disturbance, lr):
    """Run the loop; return the positions, and how long each tick took in seconds."""
    optimizer = fastgd.Adam(beta2=0.99)
    params, grads = np.zeros(N_PAST + 1), np.zeros(N_PAST + 1)
    state, past, body = fastgd.init_state(optimizer, params), np.zeros(N_PAST), np.zeros(2)
    tick(optimizer, 0.0, params, state, grads, past, body, 0.0)  # compiles; changes nothing
    positions, seconds = np.empty(disturbance.size), np.empty(disturbance.size)
    for i, value in enumerate(disturbance):
        started = time.perf_counter()
        tick(optimizer, lr, params, state, grads, past, body, value)
        seconds[i] = time.perf_counter() - started
        positions[i] = body[0]
    return positions, seconds


def main(n_ticks=5000):
    """Hold the mass, with the neuron learning and without."""
    t = DT * np.arange(n_ticks)
    disturbance = 3 * np.sin(2 * t) + 2 * np.sin(5.3 * t) + 0.05 * np.random.default_rng(0).normal(size=n_ticks)
    (plain, _), (learning, seconds) = run(disturbance, 0.0), run(disturbance, 0.005)
    off = [np.sqrt(np.mean(positions[n_ticks // 2 :] ** 2)) for positions in (plain, learning)]
    print(f"off the mark in the second half: {off[0]:.4f} with feedback alone, {off[1]:.4f} with the neuron")
    print(
        f"a tick takes {1e6 * np.median(seconds):.1f} µs, 99 % of them less than {1e6 * np.quantile(seconds, 0.99):.1f}"
    )
    return off, seconds


if __name__ == "__main__":
    main()
