"""100,000 calibrations at once: Arrhenius' law, fitted to the rates of as many reactions by `minimize_many`.

ln k(T) = a - e·(1/T - 1/T₀)·10³: each reaction has its own two parameters, measured at its own twelve temperatures. The
centred temperature keeps the two from being nearly one, so that descent goes straight.
"""

import time

import numpy as np

import fastgd

T0 = 350.0


@fastgd.njit
def squared_error(params, grad, temperatures, log_rates):
    """The mean squared error of ln k, and its gradient."""
    loss, n = 0.0, temperatures.size
    grad[:] = 0
    for i in range(n):
        inverse = 1e3 * (1 / temperatures[i] - 1 / T0)
        error = params[0] - params[1] * inverse - log_rates[i]
        loss += error * error / n
        grad[0] += 2 * error / n
        grad[1] -= 2 * error * inverse / n
    return loss


def main(n_curves=100_000, threads=2):
    """Make the data, fit all curves, and compare with what they were made from."""
    rng = np.random.default_rng(0)
    true = np.column_stack([rng.normal(0, 2, n_curves), rng.uniform(4, 10, n_curves)])
    temperatures = rng.uniform(280, 420, (n_curves, 12))
    log_rates = true[:, :1] - true[:, 1:] * 1e3 * (1 / temperatures - 1 / T0)
    log_rates += 0.01 * rng.normal(size=log_rates.shape)

    def fit(n):
        return fastgd.minimize_many(
            squared_error, np.tile([0.0, 7.0], (n, 1)), args=(temperatures[:n], log_rates[:n]), threads=threads,
            optimizer=fastgd.Nesterov(beta=0.7), lr=0.4, gtol=1e-6,
        )  # fmt: skip

    fit(1)  # compiles
    started = time.perf_counter()
    result = fit(n_curves)
    seconds = time.perf_counter() - started
    print(f"{result.message}; {n_curves / seconds:,.0f} fits a second, {result.nit.mean():.0f} steps each")
    print(f"median error of the activation energies: {np.median(abs(result.x - true)[:, 1] / true[:, 1]):.2%}")
    return true, result


if __name__ == "__main__":
    main()
