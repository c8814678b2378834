"""Symptoms in VisTrails' package sklearn."""

from __future__ import annotations

import functools
import importlib.util
from typing import Any

from tests.host.symptoms import symptom
from tests.host.symptoms_core import execute, start

SKLEARN = "org.vistrails.vistrails.sklearn"

_here = functools.partial(importlib.util.find_spec, "sklearn")


def start_with_sklearn() -> Any:
    from parallelflow import host

    controller = start()
    host.enable_packages([SKLEARN])
    return controller


def add(controller: Any, name: str, namespace: str = "", **functions: str) -> Any:
    module = controller.add_module(SKLEARN, name, namespace)
    for port, value in functions.items():
        controller.update_function(module, port, [value])
        module = controller.current_pipeline.modules[module.id]
    return module


@symptom("sklearn-modules", r"No module named 'sklearn\.cross_validation'", lambda: bool(_here()))
def the_package_searches_a_grid() -> None:
    import sys

    controller = start_with_sklearn()
    iris = add(controller, "Iris", "datasets")
    model = add(controller, "SVC", "classifiers")
    search = add(controller, "GridSearchCV", parameters="{'C': [0.001, 1.0]}", folds="3")
    score = add(controller, "Score", metric="accuracy")
    connect = controller.add_connection
    connect(iris.id, "data", search.id, "data")
    connect(iris.id, "target", search.id, "target")
    connect(model.id, "model", search.id, "model")
    connect(search.id, "model", score.id, "model")
    connect(iris.id, "data", score.id, "data")
    connect(iris.id, "target", score.id, "target")
    objects = execute(controller).objects
    worse, better = objects[search.id].get_output("scores")
    assert worse.parameters == {"C": 0.001} and len(worse.cv_validation_scores) == 3
    assert better.mean_validation_score > max(0.9, worse.mean_validation_score)
    assert objects[score.id].get_output("score") > 0.9
    # Others see scikit-learn as it is.
    assert "sklearn.cross_validation" not in sys.modules
    assert not hasattr(sys.modules["sklearn.metrics"], "SCORERS")


@symptom("sklearn-parameters", r"n_iter", lambda: bool(_here()))
def an_estimator_takes_a_parameter_by_its_former_name() -> None:
    controller = start_with_sklearn()
    iris = add(controller, "Iris", "datasets")
    model = add(controller, "Perceptron", "classifiers", n_iter="7", random_state="0")
    connect = controller.add_connection
    connect(iris.id, "data", model.id, "training_data")
    connect(iris.id, "target", model.id, "training_target")
    estimator = execute(controller).objects[model.id].get_output("model")
    assert estimator.max_iter == 7
