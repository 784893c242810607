"""A classifier with scikit-learn: `IN OUT --file NAME`, writes `model.json` and `confusion.csv`.

Learns the species of a penguin from four measurements. Birds with a missing measurement are left out; every fourth of
the others is kept for the test, so nothing hangs on a random number. What leaves is the model and how well it does,
never a row.
"""

import json
import sys
from pathlib import PurePosixPath

import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix

FEATURES = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
TARGET = "species"


def load(path):
    """The complete birds, and which of them are for the test."""
    frame = pd.read_csv(path, usecols=[TARGET, *FEATURES]).dropna().reset_index(drop=True)
    return frame, frame.index % 4 == 3


def train(frame):
    """The model over standardised measurements, with the means and deviations they were standardised by."""
    means, deviations = frame[FEATURES].mean(), frame[FEATURES].std(ddof=0)
    model = LogisticRegression(C=1.0, solver="lbfgs", max_iter=1000)
    model.fit(((frame[FEATURES] - means) / deviations).to_numpy(), frame[TARGET].to_numpy())
    return model, means, deviations


def main(inputs, outputs, *words):
    if len(words) != 2 or words[0] != "--file":
        sys.exit("error: --file NAME is needed, and nothing else is known here")
    frame, test = load(PurePosixPath(inputs, words[1]))
    model, means, deviations = train(frame[~test])
    held_out = frame[test]
    guesses = model.predict(((held_out[FEATURES] - means) / deviations).to_numpy())
    accuracy = float((guesses == held_out[TARGET]).mean())
    classes = [str(name) for name in model.classes_]
    document = {
        "features": FEATURES,
        "means": means.tolist(),
        "deviations": deviations.tolist(),
        "classes": classes,
        "coefficients": model.coef_.tolist(),
        "intercepts": model.intercept_.tolist(),
        "trained_on": int((~test).sum()),
        "tested_on": int(test.sum()),
        "accuracy": accuracy,
    }
    folder = PurePosixPath(outputs)
    with open(folder / "model.json", "w", encoding="utf-8") as target:
        json.dump(document, target, indent=2)
        target.write("\n")
    table = pd.DataFrame(confusion_matrix(held_out[TARGET], guesses, labels=classes), index=classes, columns=classes)
    table.to_csv(folder / "confusion.csv", index_label="species", lineterminator="\n")
    print(f"{int(test.sum())} birds tested, accuracy {accuracy:.4f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
