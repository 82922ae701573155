"""The same mathematics in plain NumPy, slow and obvious: what the tests compare with. It knows nothing of fastgd."""

import numpy as np

# A neuron: a = f(w·x + b), with parameters w_1 ... w_d, b.


def sigmoid(z):
    z = np.asarray(z, np.float64)
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1 / (1 + e), e / (1 + e))


ACTIVATIONS = {"sigmoid": sigmoid, "tanh": np.tanh, "identity": lambda z: z}
DERIVATIVES = {"sigmoid": lambda a: a * (1 - a), "tanh": lambda a: 1 - a**2, "identity": np.ones_like}


def forward(params, X, activation="sigmoid"):
    """The outputs of a neuron, (n,)."""
    return ACTIVATIONS[activation](X.astype(np.float64) @ params[:-1] + params[-1])


def losses(params, X, y, activation="sigmoid", loss="mse"):
    """The loss of each row, (n,)."""
    if loss == "mse":
        return (forward(params, X, activation) - y) ** 2
    # -y ln a - (1 - y) ln(1 - a) for a = σ(z), where -ln a = ln(1 + e^-z) and -ln(1 - a) = z - ln a.
    z = X.astype(np.float64) @ params[:-1] + params[-1]
    return np.logaddexp(0, z) - y * z


def gradients(params, X, y, activation="sigmoid", loss="mse"):
    """The gradient of each row's loss, (n, d + 1): dL/dz times (x, 1), the chain rule by hand."""
    a = forward(params, X, activation)
    dL_dz = a - y if loss == "binary_cross_entropy" else 2 * (a - y) * DERIVATIVES[activation](a)
    return dL_dz[:, None] * np.column_stack([X, np.ones(len(X))])


def loss_and_grad(params, X, y, activation="sigmoid", loss="mse", weight=None, rows=None):
    """The (weighted) mean loss over rows, given by number and perhaps several times, and its gradient."""
    params, X, y = (np.asarray(array, np.float64) for array in (params, X, y))
    rows = np.arange(len(X)) if rows is None else rows
    weight = np.ones(len(X)) if weight is None else np.asarray(weight, np.float64)
    w = weight[rows]
    row_losses = losses(params, X[rows], y[rows], activation, loss)
    row_gradients = gradients(params, X[rows], y[rows], activation, loss)
    return (w * row_losses).sum() / w.sum(), (w[:, None] * row_gradients).sum(axis=0) / w.sum()


def central_differences(function, x, h=1e-5):
    """The gradient of a function of a float64 vector."""
    grads = np.empty(x.size)
    for i in range(x.size):
        e = np.zeros(x.size)
        e[i] = h
        grads[i] = (function(x + e) - function(x - e)) / (2 * h)
    return grads


# Optimisers: one step from the number t = 1, 2 ... of the step, its rate, the gradient, what the method remembers
# (a dictionary, empty at first) and the parameters, to the new parameters.


def sgd(t, lr, g, memory, params, weight_decay=0.0, maximize=False):
    g = (-g if maximize else g) + weight_decay * params
    return params - lr * g


def momentum(t, lr, g, memory, params, beta=0.9, dampening=0.0, weight_decay=0.0, maximize=False):
    g = (-g if maximize else g) + weight_decay * params
    memory["v"] = g if t == 1 or beta == 0 else beta * memory["v"] + (1 - dampening) * g
    return params - lr * memory["v"]


def nesterov(t, lr, g, memory, params, beta=0.9, weight_decay=0.0, maximize=False):
    g = (-g if maximize else g) + weight_decay * params
    memory["v"] = beta * memory.get("v", 0) + g
    return params - lr * (g + beta * memory["v"])


def asgd(t, lr, g, memory, params, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0.0, maximize=False):
    g = (-g if maximize else g) + weight_decay * params
    eta = lr / (1 + lambd * memory.get("sum of rates", 0)) ** alpha
    memory["sum of rates"] = memory.get("sum of rates", 0) + lr
    params = params * (1 - lambd * eta) - eta * g
    share = 1 / max(1, t - 1 - t0)
    memory["average"] = params if t == 1 else (1 - share) * memory["average"] + share * params
    return params


def adagrad(
    t,
    lr,
    g,
    memory,
    params,
    eps=1e-10,
    lr_decay=0.0,
    initial_accumulator_value=0.0,
    weight_decay=0.0,
    maximize=False,
):
    g = (-g if maximize else g) + weight_decay * params
    memory["s"] = memory.get("s", initial_accumulator_value) + g**2
    return params - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(memory["s"]) + eps)


def adadelta(t, lr, g, memory, params, rho=0.9, eps=1e-6, weight_decay=0.0, maximize=False):
    g = (-g if maximize else g) + weight_decay * params
    memory["v"] = rho * memory.get("v", 0) + (1 - rho) * g**2
    delta = np.sqrt(memory.get("u", 0) + eps) / np.sqrt(memory["v"] + eps) * g
    memory["u"] = rho * memory.get("u", 0) + (1 - rho) * delta**2
    return params - lr * delta


def rmsprop(
    t, lr, g, memory, params, alpha=0.99, eps=1e-8, centered=False, momentum=0.0, weight_decay=0.0, maximize=False
):
    g = (-g if maximize else g) + weight_decay * params
    memory["v"] = alpha * memory.get("v", 0) + (1 - alpha) * g**2
    memory["m"] = alpha * memory.get("m", 0) + (1 - alpha) * g
    variance = np.maximum(memory["v"] - memory["m"] ** 2, 0) if centered else memory["v"]
    memory["velocity"] = momentum * memory.get("velocity", 0) + g / (np.sqrt(variance) + eps)
    return params - lr * memory["velocity"]


def rprop(t, lr, g, memory, params, etaminus=0.5, etaplus=1.2, step_size_min=1e-6, step_size_max=50.0, maximize=False):
    g = -g if maximize else g
    agreement = g * memory.get("before", 0)
    factor = np.where(agreement > 0, etaplus, np.where(agreement < 0, etaminus, 1))
    memory["size"] = np.clip(memory.get("size", lr) * factor, step_size_min, step_size_max)
    memory["before"] = np.where(agreement < 0, 0, g)
    return params - memory["size"] * np.sign(memory["before"])


def moments(g, memory, beta1, beta2):
    memory["m"] = beta1 * memory.get("m", 0) + (1 - beta1) * g
    memory["v"] = beta2 * memory.get("v", 0) + (1 - beta2) * g**2
    return memory["m"], memory["v"]


def adam(t, lr, g, memory, params, beta1=0.9, beta2=0.999, eps=1e-8, amsgrad=False, weight_decay=0.0, maximize=False):
    g = (-g if maximize else g) + weight_decay * params
    m, v = moments(g, memory, beta1, beta2)
    if amsgrad:
        v = memory["v_max"] = np.maximum(memory.get("v_max", 0), v)
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    return params - lr * m_hat / (np.sqrt(v_hat) + eps)


def adamw(t, lr, g, memory, params, weight_decay=0.01, **fields):
    return adam(t, lr, g, memory, params, **fields) - lr * weight_decay * params


def adamax(t, lr, g, memory, params, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0, maximize=False):
    g = (-g if maximize else g) + weight_decay * params
    memory["m"] = beta1 * memory.get("m", 0) + (1 - beta1) * g
    memory["u"] = np.maximum(beta2 * memory.get("u", 0), np.abs(g) + eps)
    return params - lr / (1 - beta1**t) * memory["m"] / memory["u"]


def nadam(
    t,
    lr,
    g,
    memory,
    params,
    beta1=0.9,
    beta2=0.999,
    eps=1e-8,
    momentum_decay=4e-3,
    decoupled_weight_decay=False,
    weight_decay=0.0,
    maximize=False,
):
    l2, decoupled = (0, weight_decay) if decoupled_weight_decay else (weight_decay, 0)
    g = (-g if maximize else g) + l2 * params
    m, v = moments(g, memory, beta1, beta2)
    mu = beta1 * (1 - 0.96 ** (momentum_decay * np.arange(1, t + 2)) / 2)
    m_hat = (1 - mu[-2]) * g / (1 - mu[:-1].prod()) + mu[-1] * m / (1 - mu.prod())
    return params - lr * m_hat / (np.sqrt(v / (1 - beta2**t)) + eps) - lr * decoupled * params


def radam(
    t,
    lr,
    g,
    memory,
    params,
    beta1=0.9,
    beta2=0.999,
    eps=1e-8,
    decoupled_weight_decay=False,
    weight_decay=0.0,
    maximize=False,
):
    l2, decoupled = (0, weight_decay) if decoupled_weight_decay else (weight_decay, 0)
    g = (-g if maximize else g) + l2 * params
    m, v = moments(g, memory, beta1, beta2)
    step = m / (1 - beta1**t)
    rho_inf = 2 / (1 - beta2) - 1
    rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)
    if rho > 5:
        r = np.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
        step = step * r * np.sqrt(1 - beta2**t) / (np.sqrt(v) + eps)
    return params - lr * step - lr * decoupled * params


def signsgd(t, lr, g, memory, params, beta=0.0):
    memory["m"] = beta * memory.get("m", 0) + (1 - beta) * g
    return params - lr * np.sign(memory["m"])


def lion(t, lr, g, memory, params, beta1=0.9, beta2=0.99, weight_decay=1e-3):
    m = memory.get("m", 0)
    memory["m"] = beta2 * m + (1 - beta2) * g
    return params - lr * (np.sign(beta1 * m + (1 - beta1) * g) + weight_decay * params)


def adabelief(t, lr, g, memory, params, beta1=0.9, beta2=0.999, eps=1e-16, eps_root=1e-16):
    m = memory["m"] = beta1 * memory.get("m", 0) + (1 - beta1) * g
    memory["s"] = beta2 * memory.get("s", 0) + (1 - beta2) * (g - m) ** 2 + eps_root
    m_hat, s_hat = m / (1 - beta1**t), memory["s"] / (1 - beta2**t)
    return params - lr * m_hat / (np.sqrt(s_hat) + eps)


def yogi(t, lr, g, memory, params, beta1=0.9, beta2=0.999, eps=1e-3, initial_accumulator=1e-6):
    m = memory["m"] = beta1 * memory.get("m", 0) + (1 - beta1) * g
    v = memory.get("v", initial_accumulator)
    v = memory["v"] = v - (1 - beta2) * np.sign(v - g**2) * g**2
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    return params - lr * m_hat / (np.sqrt(v_hat) + eps)


def adan(t, lr, g, memory, params, beta1=0.98, beta2=0.92, beta3=0.99, eps=1e-8, eps_root=1e-8, weight_decay=0.0):
    difference = g - memory.get("g", g)
    memory["g"] = g
    m = memory["m"] = beta1 * memory.get("m", 0) + (1 - beta1) * g
    v = memory["v"] = beta2 * memory.get("v", 0) + (1 - beta2) * difference
    n = memory["n"] = beta3 * memory.get("n", 0) + (1 - beta3) * (g + (1 - beta2) * difference) ** 2
    m_hat, v_hat, n_hat = m / (1 - beta1**t), v / (1 - beta2**t), n / (1 - beta3**t)
    return params - lr * ((m_hat + (1 - beta2) * v_hat) / (np.sqrt(n_hat + eps_root) + eps) + weight_decay * params)


def parts(layout, params):
    """The slices of a vector that a layout tells, and the shapes of the matrices there."""
    for start, rows, columns in layout or [(0, 1, params.size)]:
        yield slice(start, start + rows * columns), (rows, columns)


def trust_ratio(params, step, coefficient=1.0, eps=0.0):
    length, step_length = np.linalg.norm(params), np.linalg.norm(step)
    return coefficient * length / (step_length + eps) if length > 0 and step_length > 0 else 1.0


def lamb(t, lr, g, memory, params, beta1=0.9, beta2=0.999, eps=1e-6, weight_decay=0.0, layout=()):
    m = memory["m"] = beta1 * memory.get("m", 0) + (1 - beta1) * g
    v = memory["v"] = beta2 * memory.get("v", 0) + (1 - beta2) * g**2
    u = m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + eps) + weight_decay * params
    params = params.copy()
    for where, _ in parts(layout, params):
        params[where] -= lr * trust_ratio(params[where], u[where]) * u[where]
    return params


def lars(t, lr, g, memory, params, momentum=0.9, trust_coefficient=1e-3, eps=0.0, weight_decay=0.0, layout=()):
    d = g + weight_decay * params
    velocity = memory["v"] = momentum * memory.get("v", np.zeros_like(params))
    for where, _ in parts(layout, params):
        velocity[where] += lr * trust_ratio(params[where], d[where], trust_coefficient, eps) * d[where]
    return params - velocity


def adafactor(
    t,
    lr,
    g,
    memory,
    params,
    beta2_decay=-0.8,
    eps1=0.0,
    eps2=1e-3,
    d=1.0,
    weight_decay=0.0,
    maximize=False,
    layout=(),
):
    g, params = -g if maximize else g, params.copy()
    eps1 = eps1 or np.finfo(np.float64).eps
    w, rho = t**beta2_decay, min(lr, t**-0.5)
    for where, shape in parts(layout, params):
        theta, G = params[where].reshape(shape), g[where].reshape(shape)
        alpha = max(eps2, np.sqrt((theta**2).mean())) * rho
        if min(shape) > 1:
            r, c = memory.get(where.start, (0, 0))
            r, c = (1 - w) * r + w * (G**2).mean(axis=1), (1 - w) * c + w * (G**2).mean(axis=0)
            memory[where.start] = r, c
            V = np.outer(r, c) / max(r.mean(), eps1)
        else:
            V = memory[where.start] = (1 - w) * memory.get(where.start, 0) + w * G**2
        U = G / np.maximum(np.sqrt(V), eps1)
        U /= max(1, np.sqrt((U**2).mean()) / d)
        params[where] = ((1 - lr * weight_decay) * theta - alpha * U).ravel()
    return params


def schedule_free(t, lr, direction, memory, y, beta, warmup_steps, r, weight_lr_power):
    """From y to the next y, with x and z in memory; as the paper writes it, with x kept rather than worked out."""
    lr *= min(1, t / warmup_steps) if warmup_steps else 1
    memory["lr"] = max(memory.get("lr", 0), lr)
    weight = t**r * memory["lr"] ** weight_lr_power
    memory["sum"] = memory.get("sum", 0) + weight
    c = weight / memory["sum"] if memory["sum"] > 0 else 0
    memory["z"] = memory.get("z", y) - lr * direction
    memory["x"] = (1 - c) * memory.get("x", y) + c * memory["z"]
    return (1 - beta) * memory["z"] + beta * memory["x"]


def schedulefreesgd(t, lr, g, memory, params, beta=0.9, warmup_steps=0, r=0.0, weight_lr_power=2.0, weight_decay=0.0):
    direction = g + weight_decay * params
    return schedule_free(t, lr, direction, memory, params, beta, warmup_steps, r, weight_lr_power)


def schedulefreeadamw(
    t,
    lr,
    g,
    memory,
    params,
    beta1=0.9,
    beta2=0.999,
    eps=1e-8,
    warmup_steps=0,
    r=0.0,
    weight_lr_power=2.0,
    weight_decay=0.0,
):
    v = memory["v"] = beta2 * memory.get("v", 0) + (1 - beta2) * g**2
    direction = g / (np.sqrt(v / (1 - beta2**t)) + eps) + weight_decay * params
    return schedule_free(t, lr, direction, memory, params, beta1, warmup_steps, r, weight_lr_power)


OPTIMIZERS = {
    "SGD": sgd,
    "Momentum": momentum,
    "Nesterov": nesterov,
    "ASGD": asgd,
    "Adagrad": adagrad,
    "Adadelta": adadelta,
    "RMSProp": rmsprop,
    "Rprop": rprop,
    "Adam": adam,
    "AdamW": adamw,
    "Adamax": adamax,
    "NAdam": nadam,
    "RAdam": radam,
    "SignSGD": signsgd,
    "Lion": lion,
    "AdaBelief": adabelief,
    "Yogi": yogi,
    "Adan": adan,
    "LAMB": lamb,
    "LARS": lars,
    "Adafactor": adafactor,
    "ScheduleFreeSGD": schedulefreesgd,
    "ScheduleFreeAdamW": schedulefreeadamw,
}


def trajectory(name, hyperparameters, lr, gradient, params, n_steps):
    """The parameters after each of a number of steps, (n_steps, n_params); `gradient` is a function of them."""
    params, memory, points = np.array(params, np.float64), {}, []
    for t in range(1, n_steps + 1):
        params = OPTIMIZERS[name](t, lr, gradient(params), memory, params, **hyperparameters)
        points.append(params)
    return np.array(points)


# Schedules and clipping.


def exponential_decay(t, lr, k):
    return lr * np.exp(-k * t)


def norm(g, order=2):
    g = np.abs(g.astype(np.float64))
    return np.sqrt((g**2).sum()) if order == 2 else g.max(initial=0)


def clip_by_norm(max_norm, g, order=2, layout=()):
    """Each part of the layout by its own norm, 2 or infinity."""
    g = g.copy()
    for start, rows, columns in layout or [(0, 1, g.size)]:
        part = g[start : start + rows * columns]
        if norm(part, order) > max_norm:
            part *= max_norm / norm(part, order)
    return g


def clip_by_value(limit, g):
    return np.clip(g, -limit, limit)


def units(layout, size):
    """The rows of each matrix of a layout, each vector whole: slices."""
    for start, rows, columns in layout or [(0, 1, size)]:
        number, length = (1, rows) if columns == 1 else (rows, columns)
        for i in range(number):
            yield slice(start + i * length, start + (i + 1) * length)


def clip_adaptively(clipping, params, g, eps=1e-3, layout=()):
    g = g.copy()
    for unit in units(layout, g.size):
        most = clipping * max(norm(params[unit]), eps)
        if norm(g[unit]) > most:
            g[unit] *= most / norm(g[unit])
    return g


# A whole run.


def train(
    params,
    X,
    y,
    orders,
    batch_size,
    *,
    activation="sigmoid",
    loss="mse",
    optimizer="SGD",
    hyperparameters=None,
    lr=0.1,
    weight=None,
    clip=None,
):
    """Train a neuron; `orders` has the row numbers of each epoch in the order in which they are taken.

    `lr` is a number or a function of the time in epochs, `clip` a function of parameters and gradient. Returns the
    parameters and the history: a dictionary of lists with an entry an epoch.
    """
    params = np.array(params, np.float64)
    weight = np.ones(len(X)) if weight is None else np.asarray(weight, np.float64)
    history = {"step": [], "loss": [], "grad_norm": [], "grad_cosine": [], "lr": [], "clipped": []}
    memory, step, before = {}, 0, None
    for epoch, order in enumerate(orders):
        starts = range(0, len(order), batch_size)
        sums, norms, cosines, clipped = np.zeros(2), [], [], 0
        for number, start in enumerate(starts):
            rows = order[start : start + batch_size]
            rate = lr(epoch + number / len(starts)) if callable(lr) else lr
            mean, g = loss_and_grad(params, X, y, activation, loss, weight, rows)
            sums += mean * weight[rows].sum(), weight[rows].sum()
            norms.append(np.linalg.norm(g))
            if before is not None:
                cosines.append(g @ before / (np.linalg.norm(g) * np.linalg.norm(before)))
            before = g
            if clip is not None:
                unclipped, g = g, clip(params, g)
                clipped += not np.array_equal(g, unclipped)
            step += 1
            params = OPTIMIZERS[optimizer](step, rate, g, memory, params, **hyperparameters or {})
        history["step"].append(step)
        history["loss"].append(sums[0] / sums[1])
        history["grad_norm"].append(np.mean(norms))
        history["grad_cosine"].append(np.mean(cosines) if cosines else np.nan)
        history["lr"].append(rate)
        history["clipped"].append(clipped)
    return params, history
