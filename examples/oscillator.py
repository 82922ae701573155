"""A compiled simulation that finds its own parameters: a damped oscillator, seen through noise.

x'' = -k·x - c·x', from x = 1 at rest. The simulation carries the derivatives of x by k and c along (they obey the
equation of motion, differentiated), so that a run gives the squared error against the measurements and its gradient.
`fit` is compiled code from end to end: a few thousand simulations by `gradient_descent` without Python in between.
"""

import numpy as np

import fastgd

DT = 0.05


@fastgd.njit
def acceleration(k, c, s):
    """x'', and the same for x's derivatives by k and c, of s = (x, x', x_k, x_k', x_c, x_c')."""
    return -k * s[0] - c * s[1], -s[0] - k * s[2] - c * s[3], -s[1] - k * s[4] - c * s[5]


@fastgd.njit
def advance(k, c, s):
    """Go on by DT: the midpoint rule."""
    half = np.empty_like(s)
    a = acceleration(k, c, s)
    for j in range(3):
        half[2 * j] = s[2 * j] + 0.5 * DT * s[2 * j + 1]
        half[2 * j + 1] = s[2 * j + 1] + 0.5 * DT * a[j]
    a = acceleration(k, c, half)
    for j in range(3):
        s[2 * j] += DT * half[2 * j + 1]
        s[2 * j + 1] += DT * a[j]


@fastgd.njit
def squared_error(params, grad, measured):
    """The mean squared error of a simulation with these parameters (k, c), and its gradient."""
    s = np.array([1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    loss, n = 0.0, measured.size
    grad[:] = 0
    for i in range(n):
        error = s[0] - measured[i]
        loss += error * error / n
        grad[0] += 2 * error * s[2] / n
        grad[1] += 2 * error * s[4] / n
        advance(params[0], params[1], s)
    return loss


@fastgd.njit
def simulate(k, c, n):
    """The positions at n times."""
    s, positions = np.array([1.0, 0.0, 0.0, 0.0, 0.0, 0.0]), np.empty(n)
    for i in range(n):
        positions[i] = s[0]
        advance(k, c, s)
    return positions


@fastgd.njit
def fit(measured):
    """Recover (k, c) from measured positions."""
    guess = np.array([3.0, 0.5])
    return fastgd.gradient_descent(squared_error, guess, fastgd.Adam(), 0.02, 5000, 1e-8, (measured,))


def main(n=200, noise=0.02):
    """Simulate, add noise, and recover."""
    true = np.array([4.0, 0.3])
    measured = simulate(*true, n) + noise * np.random.default_rng(0).normal(size=n)
    found = fit(measured)
    print(f"true k, c: {true}; found {found.x.round(3)} in {found.nit} steps; {found.message}")
    print(f"root mean squared error {np.sqrt(found.fun):.4f}, noise {noise}")
    return true, found


if __name__ == "__main__":
    main()
