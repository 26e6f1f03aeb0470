"""Exercise 12, saving and loading: what students hand in."""

S, L, R = "save", "load", "restore"
NEW, WRITE = 'temporary = path + ".new.npz"', "np.savez(temporary, **weights)"
MOVE, PATH = "Path(temporary).replace(path)", "return path"
OPEN, READ = (
    "with np.load(path, allow_pickle=False) as file:",
    "{name: file[name] for name in file.files}",
)
ARRAYS = "return arrays"
LOADED, NAMES = "loaded = load(path)", "for name in sorted(weights.keys() | loaded.keys()):"
BOTH = "if name not in weights or name not in loaded:"
NAMED = 'raise ValueError(f"{name} is not in both: the file, and the weights.")'
UNLIKE = "if old.shape != new.shape or old.dtype != new.dtype:"
TOLD = 'raise ValueError(f"{name}: {new.dtype} {new.shape}, expected {old.dtype} {old.shape}.")'
RETURN = "return loaded"
WRONG = [  # what the student did, function, the solution's line, his lines, what the answer says
    ("in the old file's place", S, NEW, "temporary = path", "The old file is written over"),
    ("removes the old file first", S, NEW,
     "temporary = path\n    Path(path).unlink(missing_ok=True)",
     "The old file is gone before the new one is in its place"),
    ("os.remove first", S, NEW,
     "import os\n    temporary = path\n    if os.path.exists(path):\n        os.remove(path)",
     "The old file is gone before the new one is in its place"),
    ("removes it between writing and the move", S, MOVE,
     "if Path(path).exists():\n        Path(path).unlink()\n    Path(temporary).rename(path)",
     "The old file is gone before the new one is in its place"),
    ("moves it away for a moment", S, MOVE,
     'old = Path(path + ".old")\n    if Path(path).exists():\n        Path(path).rename(old)\n'
     "    Path(temporary).rename(path)\n    old.unlink(missing_ok=True)",
     "The old file is gone before the new one is in its place"),
    ("in the folder for temporary files", S, NEW,
     'import tempfile\n    temporary = tempfile.gettempdir() + "/temp.npz"',
     "not written beside the old one"),
    ("moves it away first", S, NEW,
     "temporary = path\n    if Path(path).exists():\n"
     '        Path(path).replace(path + ".old")', "stays in its folder"),
    ("removes it before the move", S, WRITE,
     "Path(path).unlink(missing_ok=True)\n    np.savez(temporary, **weights)",
     "The old file is gone before the new one is in its place"),
    (".tmp", S, NEW, 'temporary = path + ".tmp"', "who has added .npz"),
    ("not moved", S, MOVE, "\n", "There is no file at path"),
    ("copied", S, MOVE, "import shutil\n    shutil.copy(temporary, path)", "stays in its folder"),
    ("moved the other way", S, MOVE, "Path(path).replace(temporary)", "FileNotFoundError"),
    ("a dictionary as an array", S, WRITE, "np.savez(temporary, weights)", "without a name"),
    ("arrays without names", S, WRITE, "np.savez(temporary, *weights.values())", "without a name"),
    ("the dictionary under a name", S, WRITE, "np.savez(temporary, weights=weights)",
     "a pickled object"),
    ("one star", S, WRITE, "np.savez(temporary, *weights)", "without a name"),
    ("pickle", S, WRITE,
     'import pickle\n    with open(temporary, "wb") as file:\n        pickle.dump(weights, file)',
     "no .npz file"),
    ("text", S, WRITE,
     'with open(temporary, "w") as file:\n        file.write(str(weights))', "no .npz file"),
    ("np.save", S, WRITE, "np.save(temporary, weights)", "who has added .npy"),
    ("float32", S, WRITE,
     "np.savez(temporary, **{k: v.astype(np.float32) for k, v in weights.items()})",
     "has dtype float32"),
    ("float64", S, WRITE,
     "np.savez(temporary, **{k: np.asarray(v, float) for k, v in weights.items()})",
     "has dtype float64"),
    ("rounded", S, WRITE, "np.savez(temporary, **{k: np.round(v, 8) for k, v in weights.items()})",
     "to the last bit"),
    ("flat", S, WRITE, "np.savez(temporary, **{k: np.ravel(v) for k, v in weights.items()})",
     "and shape (12,)"),
    ("the names of one network", S, WRITE,
     'np.savez(temporary, W1=weights["W1"], b1=weights["b1"])', "are W1, b1; expected"),
    ("lists as objects", S, WRITE,
     "np.savez(temporary, **{k: np.array(v) if isinstance(v, np.ndarray) else\n"
     "                            np.array(v, object) for k, v in weights.items()})",
     "as if all were well"),
    ("an exception swallowed", S, WRITE,
     "try:\n        np.savez(temporary, **weights)\n    except ValueError:\n        return path",
     "as if all were well"),
    ("a new file must not be there", S, WRITE,
     'with open(temporary, "xb") as file:\n        np.savez(file, **weights)',
     "the next one raises FileExistsError"),
    ("no return", S, PATH + "\n\n\ndef load", "\n\ndef load", "returns None"),
    ("returns the temporary name", S, PATH + "\n\n\ndef load", "return temporary\n\n\ndef load",
     "expected path"),
    ("np.load alone", L, ARRAYS, "return np.load(path)", "class NpzFile"),
    ("closed", L, ARRAYS, "return file", "class NpzFile"),
    ("pickles", L, OPEN, "with np.load(path, allow_pickle=True) as file:", "its code has run"),
    ("pickles, and looks then", L, OPEN,
     "arrays = dict(np.load(path, allow_pickle=True))\n"
     "    if any(array.dtype == object for array in arrays.values()):\n"
     '        raise ValueError("a pickle")\n    with np.load(path) as file:', "its code has run"),
    ("a list", L, READ, "[file[name] for name in file.files]", "expected a dictionary"),
    ("the names", L, READ, "{name: name for name in file.files}", "is a text, expected an array"),
    ("fixed names", L, READ, '{name: file[name] for name in ("W1", "b1", "W2", "steps")}',
     "KeyError"),
    ("float32", L, READ, "{name: file[name].astype(np.float32) for name in file.files}",
     "has dtype float32"),
    ("lists", L, READ, "{name: file[name].tolist() for name in file.files}", "is a list"),
    ("NaN away", L, READ, "{name: np.nan_to_num(file[name]) for name in file.files}",
     "other numbers"),
    ("errors swallowed", L, OPEN,
     "arrays = {}\n    try:\n        arrays = dict(np.load(path))\n    except ValueError:\n"
     "        pass\n    return arrays\n    with np.load(path) as file:", "no error is raised"),
    ("another error", L, OPEN,
     "try:\n        return dict(np.load(path))\n    except ValueError:\n"
     '        raise KeyError("a pickle")\n    with np.load(path) as file:',
     "expected a ValueError"),
    ("no return", L, ARRAYS, "\n", "returns None"),
    ("no check", R, LOADED, "return load(path)", "lacks W2"),
    ("names of weights alone", R, NAMES, "for name in sorted(weights):", "holds W3"),
    ("names of the file alone", R, NAMES, "for name in sorted(loaded):", "lacks W2"),
    ("KeyError", R, BOTH, "if False:", "expected a ValueError"),
    ("an assert", R, BOTH, "assert name in weights and name in loaded, name\n        if False:",
     "expected a ValueError"),
    ("no name", R, NAMED, 'raise ValueError("The names differ.")', "does not name W2"),
    ("the number of names", R, NAMES,
     'if len(weights) != len(loaded):\n        raise ValueError("W2 or W3?")\n'
     "    for name in weights.keys() & loaded.keys():", "holds W3, and not W2"),
    ("no shapes", R, UNLIKE, "if old.dtype != new.dtype:", "with the shape (4,)"),
    ("sizes", R, UNLIKE, "if old.size != new.size or old.dtype != new.dtype:",
     "with the shape (4,)"),
    ("numbers of axes", R, UNLIKE, "if old.ndim != new.ndim or old.dtype != new.dtype:",
     "with the shape (2, 2)"),
    ("lengths", R, UNLIKE,
     "if len(old.shape) != len(new.shape) or old.size != new.size or old.dtype != new.dtype:",
     "with the shape (2, 2)"),
    ("broadcasting", R, UNLIKE,
     "try:\n            np.broadcast_to(new, old.shape)\n            fits = True\n"
     "        except ValueError:\n            fits = False\n"
     "        if not fits or old.dtype != new.dtype:", "with the shape (1, 1)"),
    ("no dtypes", R, UNLIKE, "if old.shape != new.shape:", "in float32, and not in float64"),
    ("prints it", R, TOLD, "print(name)", "with the shape (4,)"),
    ("returns nothing", R, TOLD, "return None", "with the shape (4,)"),
    ("returns False", R, TOLD, "return False", "with the shape (4,)"),
    ("no name of the shape", R, TOLD, 'raise ValueError("Another shape or dtype.")',
     "does not name W2"),
    ("returns weights", R, RETURN, "return weights", "other numbers"),
    ("fills weights", R, RETURN,
     "for name in weights:\n        weights[name][...] = loaded[name]\n    return weights",
     "argument weights in place"),
    ("casts", R, UNLIKE,
     "loaded[name] = new = new.astype(old.dtype)\n        if old.shape != new.shape:",
     "in float32, and not in float64"),
    ("a TypeError", R, TOLD, "raise TypeError(name)", "expected a ValueError"),
    ("no return", R, RETURN, "\n", "returns None"),
]  # fmt: skip
RIGHT = [  # another way to write it, the solution's line, the other lines
    ("a folder beside the old file", MOVE,
     "import shutil\n    folder = Path(path).resolve().parent / 'new'\n    folder.mkdir()\n"
     "    shutil.move(temporary, folder)\n"
     "    (folder / Path(temporary).name).replace(path)\n    folder.rmdir()"),
    ("what an earlier save has left is removed", WRITE,
     "Path(temporary).unlink(missing_ok=True)\n    np.savez(temporary, **weights)"),
    ("waits until the disk has it", WRITE,
     'import os\n    np.savez(temporary, **weights)\n    with open(temporary, "rb+") as file:\n'
     "        os.fsync(file.fileno())"),
    ("makes the file in memory first", WRITE,
     "import io\n    file = io.BytesIO()\n    np.savez(file, **weights)\n"
     "    Path(temporary).write_bytes(file.getvalue())"),
    ("compressed", WRITE, "np.savez_compressed(temporary, **weights)"),
    ("a random name", NEW,
     "import os\n    import tempfile\n"
     '    handle, temporary = tempfile.mkstemp(suffix=".npz", dir=os.path.dirname(path))\n'
     "    os.close(handle)"),
    ("os.replace", MOVE, "import os\n    os.replace(temporary, path)"),
    ("removes what failed", WRITE,
     "try:\n        np.savez(temporary, **weights)\n    except BaseException:\n"
     "        Path(temporary).unlink(missing_ok=True)\n        raise"),
    ("checks first", NEW, "weights = {name: np.asarray(a) for name, a in weights.items()}\n"
     '    temporary = path + ".new.npz"'),
    ("dict", READ, "dict(file)"),
    ("items", READ, "{name: array for name, array in file.items()}"),
    ("not closed", OPEN, "return dict(np.load(path))\n    with np.load(path) as file:"),
    ("sets", BOTH,
     "if weights.keys() != loaded.keys():\n"
     '            raise ValueError(f"{weights.keys() ^ loaded.keys()}")\n        if False:'),
    ("its own kind", TOLD, "class Unlike(ValueError):\n                pass\n\n"
     "            raise ValueError(name) from Unlike()"),
    ("a new dictionary", RETURN, "return {name: loaded[name] for name in weights}"),
]  # fmt: skip
