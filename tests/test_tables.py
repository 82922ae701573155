"""Tables from files: what is read right, and what is refused with the line and the column."""

import csv
import os
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgd.tables import (
    Columns,
    find_scaling,
    load_breast_cancer,
    read_matching,
    read_table,
    split_rows,
    standardize,
)


@pytest.fixture
def write(tmp_path):
    def write(content, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


# --- the bundled table


def test_the_bundled_table_is_the_published_one():
    X, y, columns = load_breast_cancer()
    assert X.shape == (569, 30)
    assert y.shape == (569,)
    assert X.dtype == y.dtype == np.float64
    assert columns.class_names == ("benign", "malignant")
    assert (y == 1).sum() == 212
    # The first patient of the original file, 842302: M, 17.99, 10.38, 122.8, ..., 0.1189
    np.testing.assert_array_equal(X[0, :3], [17.99, 10.38, 122.8])
    assert (X[0, -1], y[0]) == (0.1189, 1)
    # The extremes that its authors' description lists.
    names = columns.feature_names
    for name, least, greatest in (
        ("mean_radius", 6.981, 28.11),
        ("mean_area", 143.5, 2501.0),
        ("area_error", 6.802, 542.2),
        ("worst_texture", 12.02, 49.54),
    ):
        column = X[:, names.index(name)]
        assert (column.min(), column.max()) == (least, greatest)


def test_the_bundled_table_agrees_with_scikit_learn():
    datasets = pytest.importorskip("sklearn.datasets")
    theirs = datasets.load_breast_cancer()
    X, y, columns = load_breast_cancer()
    np.testing.assert_array_equal(X, theirs.data)
    np.testing.assert_array_equal(y, 1 - theirs.target)
    assert [name.replace("_", " ") for name in columns.feature_names] == list(theirs.feature_names)


# --- text


def test_a_table_with_a_header(write):
    X, y, columns = read_table(write("a,b,y\n1,2,3\n4,5,6.5\n"))
    np.testing.assert_array_equal(X, [[1, 2], [4, 5]])
    np.testing.assert_array_equal(y, [3, 6.5])
    assert columns == Columns(("a", "b"), "y", 2, (), True)
    assert X.flags.writeable
    assert X.flags.c_contiguous


def test_a_table_without_a_header(write):
    X, _y, columns = read_table(write("1,2,3\n4,5,6\n"))
    np.testing.assert_array_equal(X, [[1, 2], [4, 5]])
    assert columns == Columns(("column_0", "column_1"), "column_2", 2, (), False)


def test_a_table_without_a_header_and_with_classes_in_text(write):
    for target in (1.7, True, ["a"]):
        with pytest.raises(TypeError, match="read_table: target must be an integer"):
            read_table(write("yes,2\nno,3\nyes,4\n"), target=target)
    X, y, columns = read_table(write("yes,2\nno,3\nyes,4\n"), target=0)
    np.testing.assert_array_equal(y, [1, 0, 1])
    assert X.shape == (3, 1)
    assert columns.class_names == ("no", "yes")


@pytest.mark.parametrize(
    "content",
    [
        "a;b;y\n1;2;0\n3;4;1\n",
        "a\tb\ty\n1\t2\t0\n3\t4\t1\n",
        "a, b, y\n1, 2, 0\n3, 4, 1\n",
        'a,"b",y\n"1",2,"0"\n3,"4",1\n',
        'a, "b", y\n1, "2", 0\n3, 4, 1\n',
        "a,b,y\r\n1,2,0\r\n3,4,1\r\n",
        "a,b,y\r1,2,0\r3,4,1\r",
        "\ufeffa,b,y\n1,2,0\n3,4,1\n",
        "a,b,y\n1,2,0\n3,4,1",
        "\n\na,b,y\n\n1,2,0\n  \n3,4,1\n\n\n",
        "a,b,y\n1e0,+2,0\n3.0, 4 ,1.\n",
    ],
)
def test_the_same_table_in_other_clothes(write, content):
    X, y, columns = read_table(write(content))
    np.testing.assert_array_equal(X, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(y, [0, 1])
    assert columns.feature_names == ("a", "b")
    assert columns.class_names == ("0", "1")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_lines_of_spaces_are_passed_over(write, delimiter):
    content = "a,b,y\n1,2,0\n  \n3,4,1\n\n5,6,0\n".replace(",", delimiter)
    np.testing.assert_array_equal(read_table(write(content)).X, [[1, 2], [3, 4], [5, 6]])


def test_a_delimiter_may_stand_in_quotes(write):
    _, _, columns = read_table(write('"a, in m;s",b,y\n1,2,0\n'))
    assert columns.feature_names == ("a, in m;s", "b")


@pytest.mark.parametrize(
    ("target", "index"), [("a", 0), ("y", 2), ("0", 0), ("-3", 0), ("-1", 2), (1, 1), (-1, 2), (None, 2)]
)
def test_the_target_by_name_or_place(write, target, index):
    X, y, columns = read_table(write("a,b,y\n5,6,7\n"), target)
    assert columns.target_index == index
    assert y[0] == 5 + index
    assert X.tolist() == [[v for v in (5, 6, 7) if v != 5 + index]]


def test_an_unnamed_column_gets_a_name(write):
    columns = read_table(write(",b,y\n0,2,3\n")).columns
    assert columns.feature_names == ("column_0", "b")


def test_a_file_of_text_may_be_a_pipe(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("there are no named pipes here")
    path = tmp_path / "pipe"
    os.mkfifo(path)
    rows = "".join(f"{i},{i + 1}\n" for i in range(1000))
    writer = threading.Thread(target=path.write_text, args=("a,y\n" + rows,))
    writer.start()
    X, _, _ = read_table(path)
    writer.join()
    np.testing.assert_array_equal(X[:, 0], np.arange(1000))


finite = st.floats(allow_nan=False, allow_infinity=False)
names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).map(lambda name: "n" + name.strip())


@given(st.data())
def test_what_is_written_is_read(tmp_path_factory, data):
    width = data.draw(st.integers(2, 5))
    rows = data.draw(st.lists(st.lists(finite, min_size=width, max_size=width), min_size=1, max_size=30))
    header = data.draw(st.none() | st.lists(names, min_size=width, max_size=width, unique=True))
    target = data.draw(st.integers(-width, width - 1))
    path = tmp_path_factory.mktemp("round") / "table.csv"
    with open(path, "w", newline="", encoding=data.draw(st.sampled_from(["utf-8", "utf-8-sig"]))) as file:
        writer = csv.writer(
            file,
            delimiter=data.draw(st.sampled_from(",;\t")),
            quoting=data.draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
            lineterminator=data.draw(st.sampled_from(["\n", "\r\n"])),
        )
        writer.writerows([header, *rows] if header else rows)
    X, y, columns = read_table(path, target)
    np.testing.assert_array_equal(X, np.delete(rows, target, axis=1))
    np.testing.assert_array_equal(y, np.array(rows)[:, target])
    if header:
        assert columns.target_name == header[target]
        assert columns.feature_names == tuple(np.delete(np.array(header, object), target))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "table.csv has no rows$"),
        ("\n\n", "table.csv has no rows$"),
        ("a,b,y\n", "table.csv has no rows below its header"),
        ("a,b,y\n1,2,3\n4,5\n", "table.csv, line 3: expected 3 cells, got 2"),
        ("a,b,y\n1,2,3\n\n4,5,6,7\n", "table.csv, line 4: expected 3 cells, got 4"),
        ("1,2,3\n4,5\n", "table.csv, line 2: expected 3 cells, got 2"),
        ("a,b,y\n1,2,3\n4,tall,6\n", "table.csv, line 3, column 'b': expected a finite number, got 'tall'"),
        ("1,2,3\n4,tall,6\n", "table.csv, line 2, column 'column_1': expected a finite number, got 'tall'"),
        ("a,2,y\n1,2,3\n", r"table.csv, line 1, column 'column_0': expected a finite number, got 'a' \(for a header"),
        ("a,b,y\n1,,3\n", "table.csv, line 2, column 'b': expected a finite number, got an empty cell"),
        ("a,b,y\n1,2,3\n1,1_000,3\n", "table.csv, line 3, column 'b': expected a finite number, got '1_000'"),
        ("a,b,y\n1,2,3\n1,nan,3\n", "table.csv, line 3, column 'b': expected a finite number, got nan"),
        ("a,b,y\n1,2,3\n1,-inf,3\n", "table.csv, line 3, column 'b': expected a finite number, got -inf"),
        ("a,b,y\n1,2,3\n1,1e999,3\n", "table.csv, line 3, column 'b': expected a finite number, got inf"),
        ('a,b,y\n1,2,3\n"4\n",5,6\n1,x,2\n', "table.csv, line 5, column 'b': expected a finite number, got 'x'"),
        ("a,b,y\n1,2,nan\n", "table.csv, line 2, column 'y': expected a finite number, got 'nan'"),
        ("a,b,y\n1,2,3\n1,2,\n", "table.csv, line 3, column 'y': expected a number or a class, got an empty cell"),
        ("a,b,y\n1,2,3\n1,2,big\n", "table.csv, line 3, column 'y': expected a finite number, got 'big'"),
        ("a,y\n1,u\n2,v\n3,w\n", "column 'y': expected numbers or two classes, got 3 classes: 'u', 'v', 'w'"),
        ("a,y\n1,u\n2,u\n", "column 'y': expected numbers or two classes, got 1 class: 'u'"),
        ("a,b,a\n1,2,3\n", "table.csv, line 1: the header has the column 'a' more than once"),
        ("a\n1\n2\n", "table.csv: expected a target and at least one feature, got a single column"),
        ("a|y\n1|0\n2|1\n", "got a single column .commas, semicolons or tabs part cells"),
        ("a;b;y\n1;2;0\n2;3;1\n3;4\n4;5;1\n", "table.csv, line 4: expected 3 cells, got 2"),
        ("a\tb\ty\n1\t2\t0\n2\t3\n3\t4\t1\n", "table.csv, line 3: expected 3 cells, got 2"),
        ('a,b,y\n1,2,3\n1,"2,3\n1,2,3\n', "table.csv, line 3: unexpected end of data"),
        ('a,b,y\n1,"2"x,3\n', "table.csv, line 2: "),
        ("a,y\n1," + "9" * 200_000 + "\n", "table.csv, line 2: field larger than field limit"),
        ("größe,y\n1,2\n".encode("latin-1"), "table.csv is not text in UTF-8"),
        (b"PK\x03\x04\xff\xfe", "table.csv is not text in UTF-8"),
    ],
)
def test_faults_in_text_are_told_with_their_place(write, content, message):
    with pytest.raises(ValueError, match=message):
        read_table(write(content))


@pytest.mark.parametrize("target", ["z", 3, -4, "3", "1.5"])
def test_a_target_that_is_not_there(write, target):
    with pytest.raises(ValueError, match=f"has no column {target!r}; its columns are 'a', 'b', 'y'"):
        read_table(write("a,b,y\n1,2,3\n"), target)
    with pytest.raises(
        ValueError, match=f"has no column {target!r}; its columns have no names, but places from 0 to 2"
    ):
        read_table(write("1,2,3\n"), target)


def test_of_many_columns_twenty_are_listed(write):
    header = ",".join(f"c{i}" for i in range(50))
    with pytest.raises(ValueError, match=r"'c0', .*'c19' and 30 more$"):
        read_table(write(f"{header}\n" + ",".join("1" * 50) + "\n"), "z")


def test_a_file_that_is_not_there(tmp_path):
    for name in ("none.csv", "none.npy", "none.npz"):
        with pytest.raises(FileNotFoundError):
            read_table(tmp_path / name)


# --- arrays


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ">f8", np.int32, np.bool_])
def test_one_array(tmp_path, dtype):
    values = np.array([[1, 0, 1], [0, 1, 0]], dtype=dtype)
    np.save(tmp_path / "table.npy", np.asfortranarray(values))
    np.savez(tmp_path / "table.npz", values)
    for name in ("table.npy", "table.npz"):
        X, y, columns = read_table(str(tmp_path / name), target="1")
        np.testing.assert_array_equal(X, [[1, 1], [0, 0]])
        np.testing.assert_array_equal(y, [0, 1])
        assert X.dtype == y.dtype == (np.float32 if dtype in (np.float32, np.float16) else np.float64)
        assert X.flags.c_contiguous
        assert columns == Columns(("column_0", "column_2"), "column_1", 1, ("0", "1"), False)


@pytest.mark.parametrize("y", [[0.5, 2.0], [[0.5], [2.0]], np.float32([0.5, 2.0])])
def test_two_arrays(tmp_path, y):
    np.savez(tmp_path / "table.npz", X=np.ones((2, 3)), y=y)
    for target in (None, "y", 3, -1):
        table = read_table(tmp_path / "table.npz", target)
        assert table.X.shape == (2, 3)
        np.testing.assert_array_equal(table.y, [0.5, 2.0])
        assert table.columns.target_name == "y"
    with pytest.raises(ValueError, match="the target is the array y, and cannot be 0"):
        read_table(tmp_path / "table.npz", 0)


def test_an_array_of_classes_in_text(tmp_path):
    np.savez(tmp_path / "table.npz", X=np.ones((3, 1)), y=["no", "yes", "no"])
    table = read_table(tmp_path / "table.npz")
    np.testing.assert_array_equal(table.y, [0, 1, 0])
    assert table.columns.class_names == ("no", "yes")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": np.ones(3)}, r"expected a 2-D array with rows and columns, got shape \(3,\)"),
        ({"X": np.ones((0, 3))}, r"expected a 2-D array with rows and columns, got shape \(0, 3\)"),
        ({"X": np.ones((2, 2), complex)}, "expected an array of real numbers, got dtype complex128"),
        ({"X": np.array([["a", "b"]])}, "expected an array of real numbers, got dtype <U1"),
        ({"X": np.array([[1, None]])}, "cannot be read as arrays of numbers or text"),
        ({"X": [[1, 2], [3, np.nan]]}, r"row 1 \(from 0\), column_1: expected a finite number, got nan"),
        ({"X": [[1, 2], [-np.inf, 3]]}, r"row 1 \(from 0\), column_0: expected a finite number, got -inf"),
        ({"X": np.ones((2, 2)), "y": np.ones(3)}, r"expected y of shape \(2,\), as many as rows of X, got \(3,\)"),
        ({"X": np.ones((2, 2)), "y": [1j, 2]}, "expected y of real numbers or text, got dtype complex128"),
        ({"X": np.ones((2, 2)), "y": [1, np.inf]}, r"row 1 \(from 0\), y: expected a finite number, got inf"),
        ({"X": np.ones((2, 2)), "z": np.ones(2)}, "expected the arrays X and y, or a single one, got 'X', 'z'"),
        ({}, "expected the arrays X and y, or a single one, got none$"),
    ],
)
def test_faults_in_arrays(tmp_path, arrays, message):
    np.savez(tmp_path / "table.npz", **arrays)
    with pytest.raises(ValueError, match=f"table.npz.*{message}"):
        read_table(tmp_path / "table.npz")


def test_damaged_arrays(write, tmp_path):
    for name in ("table.npy", "table.npz"):
        for content in (b"", b"PK\x03\x04 no archive", b"\x93NUMPY\x01\x00", b"text"):
            with pytest.raises(ValueError, match="cannot be read as arrays"):
                read_table(write(content, name))


# --- the columns of another table


@pytest.fixture
def columns(write):
    return read_table(write("a,b,kind,c\n1,2,x,3\n4,5,y,6\n", "learned.csv"), "kind").columns


@pytest.mark.parametrize(
    ("content", "y"),
    [
        ("a,b,kind,c\n1,2,y,3\n", [1]),
        ("c,kind,note,a,b\n3,x,whatever,1,2\n", [0]),
        ("c,b,a\n3,2,1\n", None),
        ("c,note,b,note,a\n3,5,2,whatever,1\n", None),
        ("a,b,kind,c\n1,2,,3\n", None),
        ("1,2,y,3\n", [1]),
        ("1,2,3\n", None),
        ("a,b,kind,c\n1,2,0,3\n", [0]),
    ],
)
def test_columns_are_found_by_name_or_place(write, columns, content, y):
    X, found = read_matching(write(content), columns)
    np.testing.assert_array_equal(X, [[1, 2, 3]])
    assert (found is None) if y is None else (found.tolist() == y)


def test_columns_of_arrays_are_found_by_place(tmp_path, columns):
    X = np.array([[1.0, 2.0, 3.0]])
    np.savez(tmp_path / "both.npz", X=X, y=["y"])
    np.save(tmp_path / "features.npy", X)
    np.save(tmp_path / "all.npy", np.array([[1.0, 2.0, 0.0, 3.0]]))
    for name, y in (("both.npz", [1]), ("features.npy", None), ("all.npy", [0])):
        found, target = read_matching(tmp_path / name, columns)
        np.testing.assert_array_equal(found, X)
        assert (target is None) if y is None else (target.tolist() == y)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,kind\n1,x\n", "table.csv lacks 2 columns: 'b', 'c'"),
        ("a,b,kind\n1,2,x\n", "table.csv lacks 1 column: 'c'"),
        ("1,2\n", "table.csv: expected 3 columns, or 4 with the target, got 2"),
        ("1,2,x,3,4\n", "table.csv: expected 3 columns, or 4 with the target, got 5"),
        ("a,b,kind,c,b\n1,2,x,3,4\n", "table.csv, line 1: the header has the column 'b' more than once"),
        ("a,b,kind,c\n1,2,z,3\n", "line 2, column 'kind': expected one of the classes 'x', 'y', got 'z'"),
        ("a,b,kind,c\n1,2,2,3\n", "line 2, column 'kind': expected one of the classes 'x', 'y', got '2'"),
    ],
)
def test_columns_that_do_not_match(write, columns, content, message):
    with pytest.raises(ValueError, match=message):
        read_matching(write(content), columns)


def test_text_where_the_learned_target_was_of_numbers(write):
    columns = read_table(write("a,y\n1,2.5\n", "learned.csv")).columns
    with pytest.raises(ValueError, match="line 2, column 'y': expected a finite number, got 'x'"):
        read_matching(write("a,y\n1,x\n"), columns)


# --- before training


@given(st.integers(2, 300), st.floats(0, 1, exclude_max=True), st.integers(0, 2**40))
def test_a_split_parts_the_rows(n, share, seed):
    train, test = split_rows(n, share, seed)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(n))
    np.testing.assert_array_equal(split_rows(n, share, seed)[1], test)
    assert (np.diff(train) > 0).all()
    assert (np.diff(test) > 0).all()
    assert len(train) >= 1
    assert abs(len(test) - n * share) <= 1
    assert (len(test) > 0) == (share > 0)


def test_another_seed_splits_otherwise():
    assert not np.array_equal(split_rows(100, 0.2, 0)[1], split_rows(100, 0.2, 1)[1])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((10, 1.0), ValueError, r"test_share must be a number in \[0, 1\), got 1.0"),
        ((10, -0.1), ValueError, r"test_share must be a number in \[0, 1\), got -0.1"),
        ((10, np.nan), ValueError, r"test_share must be a number in \[0, 1\), got nan"),
        ((10, "half"), TypeError, "test_share must be"),
        ((0, 0.5), ValueError, "n_rows must be an integer, 1 or larger, got 0"),
        ((1, 0.5), ValueError, "holding out a share of 0.5 needs at least 2 rows, got 1"),
        ((10, 0.5, -1), ValueError, "seed must be an integer, 0 or larger, got -1"),
    ],
)
def test_bad_splits(arguments, error, message):
    with pytest.raises(error, match=message):
        split_rows(*arguments)


@pytest.mark.parametrize(("dtype", "error"), [(np.float64, 1e-11), (np.float32, 1e-5)])
def test_standardised_features_have_mean_0_and_deviation_1(dtype, error):
    X = np.random.default_rng(0).normal([1e3, -2, 0], [5, 1e-3, 1], (500, 3)).astype(dtype)
    before = X.copy()
    Z = standardize(X, find_scaling(X))
    assert Z.dtype == dtype
    np.testing.assert_allclose(Z.mean(axis=0, dtype=np.float64), 0, atol=error)
    np.testing.assert_allclose(Z.std(axis=0, dtype=np.float64), 1, atol=error)
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("value", [0.1, 1e-300, 1e300, -7.0])
def test_constant_features_are_only_shifted(value):
    X = np.column_stack([np.full(100, value), np.arange(100.0)])
    scaling = find_scaling(X)
    assert scaling.scale[0] == 1
    np.testing.assert_array_equal(standardize(X, scaling)[:, 0], 0)


@pytest.mark.parametrize("size", [1e-310, 1e-200, 1e200, 5e307])
def test_features_whose_squares_are_no_numbers(size):
    X = size * np.random.default_rng(0).uniform(-1, 1, (100, 1))
    Z = standardize(X, find_scaling(X))
    np.testing.assert_allclose([Z.mean(), Z.std()], [0, 1], atol=1e-11)


def test_integers_and_lists_are_standardised_in_float64():
    X = [[1], [2], [4]]
    expected = (np.array(X) - 7 / 3) / np.std([1, 2, 4])
    for rows in (X, np.array(X)):
        np.testing.assert_allclose(standardize(rows, find_scaling(rows)), expected, rtol=1e-15)


def test_features_without_a_scale_are_named():
    with pytest.raises(ValueError, match=r"X must have at least one row and one column, got shape \(0, 2\)"):
        find_scaling(np.empty((0, 2)))
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="column 1 holds NaN or infinity"):
            find_scaling([[0, 1], [1, bad]])


def test_features_too_large_to_standardise_are_named():
    with pytest.raises(ValueError, match="column 'b' holds numbers too large to standardise"):
        find_scaling(np.array([[0, 1e308], [1, -1e308]]), ["a", "b"])


def test_a_name_made_up_for_a_column_is_no_other_s(write):
    X, _, columns = read_table(write(",column_0,y\n1,2,3\n4,5,6\n7,8,9\n"), "y")
    assert columns.feature_names == ("column_0_", "column_0")
    assert X.tolist() == [[1, 2], [4, 5], [7, 8]]


def test_a_target_beyond_the_dtype_of_x_is_told_of(tmp_path):
    X = np.ones((3, 2), np.float32)
    np.savez(tmp_path / "large.npz", X=X, y=np.array([1.0, 2.0, 1e39]))
    with pytest.raises(ValueError, match=r"large.npz: the target must be numbers that float32 holds.* got 1e\+39"):
        read_table(tmp_path / "large.npz")
