"""An agent-based model in which every agent learns: 10,000 neurons trained online, in one compiled loop.

Agents live on a ring. Each decides at every tick whether to go out, by a neuron that looks at the weather, at how
many of its two neighbours went out last time, and at its own last choice; afterwards it is told whether going out would
have paid, by a taste of its own that it does not know, and does one step of gradient descent.
"""

import time

import numpy as np

import fastgd

N_INPUTS = 3


@fastgd.njit
def live(params, tastes, weather, lr):
    """Let all agents live through the weather; return the share of right decisions at each tick."""
    n_agents, n_ticks = params.shape[0], weather.size
    optimizer = fastgd.SGD()
    state = fastgd.init_state(optimizer, params[0])
    out, went = np.zeros(n_agents), np.zeros(n_agents)
    x, grads = np.empty(N_INPUTS), np.empty(N_INPUTS + 1)
    right = np.zeros(n_ticks)
    for tick in range(n_ticks):
        for agent in range(n_agents):
            own, taste = params[agent], tastes[agent]
            x[0] = weather[tick]
            x[1] = went[agent - 1] + went[(agent + 1) % n_agents] - 1
            x[2] = went[agent] - 0.5
            z, pays = own[N_INPUTS], taste[N_INPUTS]
            for j in range(N_INPUTS):
                z += own[j] * x[j]
                pays += taste[j] * x[j]
            out[agent] = z > 0
            right[tick] += (z > 0) == (pays > 0)
            # One step on the cross-entropy of σ(z) against what would have been right.
            dL_dz = fastgd.sigmoid(z) - (1.0 if pays > 0 else 0.0)
            for j in range(N_INPUTS):
                grads[j] = dL_dz * x[j]
            grads[N_INPUTS] = dL_dz
            fastgd.update(optimizer, lr, grads, state, own)
        went[:] = out
        right[tick] /= n_agents
    return right


def main(n_agents=10_000, n_ticks=200):
    """Let them live, and see whether they learn."""
    rng = np.random.default_rng(0)
    tastes = rng.normal(size=(n_agents, N_INPUTS + 1))
    weather = rng.normal(size=n_ticks)
    live(np.zeros((2, N_INPUTS + 1)), tastes[:2], weather[:1], 0.5)  # compiles
    started = time.perf_counter()
    right = live(np.zeros((n_agents, N_INPUTS + 1)), tastes, weather, 0.5)
    seconds = time.perf_counter() - started
    print(f"right decisions: {right[:10].mean():.3f} over the first ten ticks, {right[-10:].mean():.3f} over the last")
    print(f"{1e9 * seconds / (n_agents * n_ticks):.1f} ns for an agent's decision and its step of learning")
    return right


if __name__ == "__main__":
    main()
