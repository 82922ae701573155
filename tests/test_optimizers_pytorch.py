"""The methods that PyTorch has, with any of their options: the same trajectory as its, and as plain NumPy's."""

import importlib.util

import numpy as np
import pytest
import reference
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import fastgd

N_STEPS = 60


def between(least, most):
    return st.floats(least, most, allow_subnormal=False)


MAXIMIZE = {"maximize": st.booleans()}
DECAY = {"weight_decay": st.just(0.0) | between(1e-3, 0.5), **MAXIMIZE}
EITHER_DECAY = {"decoupled_weight_decay": st.booleans(), **DECAY}
# PyTorch loses digits in RAdam's ρ as β₂ comes near 1, and takes a β of 0 for plain gradient descent.
BETAS = {"beta1": between(0, 0.99), "beta2": between(0, 0.999), "eps": between(1e-8, 1)}
FIELDS = {
    "SGD": DECAY,
    "Momentum": {"beta": st.just(0.0) | between(1e-3, 0.999), "dampening": between(0, 0.99), **DECAY},
    "Nesterov": {"beta": between(1e-3, 0.999), **DECAY},
    "ASGD": {"lambd": between(0, 0.1), "alpha": between(0, 1), "t0": st.sampled_from([0, 1, 9.5, 40, 1e6]), **DECAY},
    "Adagrad": {
        "eps": between(1e-10, 1),
        "lr_decay": between(0, 1),
        "initial_accumulator_value": between(0, 1),
        **DECAY,
    },
    "Adadelta": {"rho": between(0, 0.999), "eps": between(1e-6, 1), **DECAY},
    "RMSProp": {
        "alpha": between(0.5, 0.999),
        "eps": between(1e-8, 1),
        "centered": st.booleans(),
        "momentum": st.just(0.0) | between(1e-3, 0.99),
        **DECAY,
    },
    "Rprop": {
        "etaminus": between(0.1, 0.9),
        "etaplus": between(1.1, 2),
        "step_size_min": between(1e-6, 1e-3),
        "step_size_max": between(0.1, 50),
        **MAXIMIZE,
    },
    "Adam": {**BETAS, "amsgrad": st.booleans(), **DECAY},
    "AdamW": {**BETAS, "amsgrad": st.booleans(), **DECAY},
    "Adamax": {**BETAS, **DECAY},
    "NAdam": {**BETAS, "momentum_decay": between(0, 1), **EITHER_DECAY},
    "RAdam": {**BETAS, **EITHER_DECAY},
}
SPELLING = {"Momentum": "SGD", "Nesterov": "SGD", "RMSProp": "RMSprop"}
TOGETHER = {  # PyTorch's arguments that are several of fastgd's fields
    "betas": ("beta1", "beta2"),
    "etas": ("etaminus", "etaplus"),
    "step_sizes": ("step_size_min", "step_size_max"),
}


def gradient(t, params):
    """Of a parabola, with noise that is the same for everyone."""
    return 0.2 * params + np.random.default_rng(t).normal(size=params.size)


def by_fastgd(name, fields, lr, start):
    optimizer, params, grads, average = getattr(fastgd, name)(**fields), start.copy(), start.copy(), start.copy()
    state = fastgd.init_state(optimizer, params)
    for t in range(N_STEPS):
        grads[:] = gradient(t, params)
        fastgd.update(optimizer, lr, grads, state, params)
        fastgd.eval_params(optimizer, state, params, average)
        yield params.copy(), average.copy()


def by_numpy(name, fields, lr, start, rounded=lambda params: params):
    params, memory = start, {}
    for t in range(N_STEPS):
        params = rounded(reference.OPTIMIZERS[name](t + 1, lr, gradient(t, params), memory, params, **fields))
        yield params, memory.get("average", params)


def by_numpy_rounded_up(*run):
    return by_numpy(*run, rounded=lambda params: np.nextafter(params, np.inf))


def by_torch(name, fields, lr, start):
    import torch

    fields = dict(fields)
    for together, names in TOGETHER.items():
        if names[0] in fields:
            fields[together] = tuple(fields.pop(one) for one in names)
    if "beta" in fields:
        fields["momentum"] = fields.pop("beta")
    if name == "Nesterov":
        fields["nesterov"] = True
    params = torch.from_numpy(start.copy()).requires_grad_()
    numbers = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # of the numbers in ASGD's and NAdam's state
    try:
        peer = getattr(torch.optim, SPELLING.get(name, name))([params], lr=lr, foreach=False, **fields)
        for t in range(N_STEPS):
            params.grad = torch.from_numpy(gradient(t, params.detach().numpy()))
            peer.step()
            average = peer.state[params].get("ax", params)
            yield params.detach().numpy().copy(), average.detach().numpy().copy()
    finally:
        torch.set_default_dtype(numbers)


PEERS = [by_numpy, by_torch] if importlib.util.find_spec("torch") else [by_numpy]


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.filterwarnings("default")  # PyTorch's own
def test_trajectories_and_averages(name, peer):
    @settings(deadline=None, max_examples=20)
    @given(fields=st.fixed_dictionaries(FIELDS[name]), lr=between(1e-5, 0.1), size=st.integers(1, 20))
    def agree(fields, lr, size):
        start = np.random.default_rng(size).normal(size=size)
        # With a β₂ of 0 and a gradient near 0, Adam's m/√v makes 1e-8 of an ULP: to 60 digits NumPy was 4.6e-9 off,
        # fastgd 2.3e-9. Where one ULP a step moves NumPy itself by a tenth of what is allowed, nothing can be told.
        alone, rounded_up = (np.array(list(run(name, fields, lr, start))) for run in (by_numpy, by_numpy_rounded_up))
        assume(np.allclose(alone, rounded_up, rtol=1e-11, atol=1e-13))
        ours, theirs = (np.array(list(run(name, fields, lr, start))) for run in (by_fastgd, peer))
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)

    agree()


def test_every_option_is_drawn():
    for name, fields in FIELDS.items():
        assert set(fields) == set(getattr(fastgd, name)._fields), name
