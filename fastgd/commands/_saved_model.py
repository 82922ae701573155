"""A trained model in a file: its parameters, the scaling of its features, and what its columns mean."""

from typing import NamedTuple

import numpy as np

from fastgd.activations import ACTIVATIONS
from fastgd.losses import LOSSES
from fastgd.models.neuron import Neuron
from fastgd.tables import Columns, Scaling

FORMAT = 1


class SavedModel(NamedTuple):
    """A neuron with its parameters, for features that are scaled first."""

    model: Neuron
    params: np.ndarray
    scaling: Scaling
    columns: Columns


def save(path, saved, version):
    """Write a model to a `.npz` file of plain arrays, numbers and text: no pickle is needed to read it.

    Parameters
    ----------
    path : str
        The file; its name is taken as it is.
    saved : SavedModel
        What to write.
    version : str
        fastgd's version, for whoever looks into the file.
    """
    model, columns = saved.model, saved.columns
    with open(path, "wb") as file:  # given a name, NumPy would append .npz to it
        np.savez(
            file,
            format=FORMAT,
            fastgd_version=version,
            model="Neuron",
            n_features=model.n_features,
            activation=ACTIVATIONS[model.activation],
            loss=LOSSES[model.loss],
            params=saved.params,
            mean=saved.scaling.mean,
            scale=saved.scaling.scale,
            feature_names=np.array(columns.feature_names, np.str_),
            target_name=columns.target_name,
            target_index=columns.target_index,
            class_names=np.array(columns.class_names, np.str_),
            named=columns.named,
        )


def load(path):
    """Read what `save` wrote.

    Parameters
    ----------
    path : str
        The file.

    Returns
    -------
    SavedModel
        The model.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not a model of fastgd's, damaged, or of a later format.
    """
    with open(path, "rb") as file:
        try:
            loaded = np.load(file, allow_pickle=False)
            content = {name: loaded[name] for name in loaded.files}
            file_format = int(content["format"])
        except Exception:  # NumPy and zipfile have a dozen kinds of them for other and damaged files
            raise ValueError(f"{path} is not a model saved by fastgd train") from None
    if file_format != FORMAT:
        raise ValueError(f"{path} has format {file_format}; this version of fastgd reads format {FORMAT}")
    try:
        return _from_arrays(content)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is a damaged model: {error}") from None


def _from_arrays(content):
    if str(content["model"]) != "Neuron":
        raise ValueError(f"its model is {content['model']}, which this version of fastgd does not know")
    model = Neuron(content["n_features"].item(), str(content["activation"]), str(content["loss"]))
    columns = Columns(
        tuple(map(str, content["feature_names"])),
        str(content["target_name"]),
        int(content["target_index"]),
        tuple(map(str, content["class_names"])),
        bool(content["named"]),
    )
    params, scaling = content["params"], Scaling(content["mean"], content["scale"])
    arrays = [params, *scaling, content["feature_names"], content["class_names"]]
    d, n_classes = model.n_features, content["class_names"].size
    names = {*columns.feature_names, columns.target_name}
    if [array.shape for array in arrays] != [(d + 1,), (d,), (d,), (d,), (n_classes,)] or n_classes not in (0, 2):
        raise ValueError("its arrays do not fit together")
    if len(names) != d + 1 or len(set(columns.class_names)) != n_classes or not 0 <= columns.target_index <= d:
        raise ValueError("its columns or its classes are not told apart")
    if not all(array.dtype in (np.float32, np.float64) and np.isfinite(array).all() for array in (params, *scaling)):
        raise ValueError("its numbers are not all real and finite")
    if not (scaling.scale > 0).all():
        raise ValueError("the scale of a feature is not positive")
    return SavedModel(model, params, scaling, columns)
