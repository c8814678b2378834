"""Repairs of VisTrails' package sklearn, written for scikit-learn 0.15.

The package is given the modules and names that it imports; scikit-learn itself stays as it is.
It is imported by the package, not by this file.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import warnings
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from ..repair import Repair, copy_with_names

_INIT = "vistrails.packages.sklearn.init"


class _Scorers:
    """What ``sklearn.metrics.SCORERS`` was: each scorer by its name."""

    def __getitem__(self, name: str) -> Any:
        return importlib.import_module("sklearn.metrics").get_scorer(name)


def _can_be_made_without_arguments(estimator: type) -> bool:
    parameters = inspect.signature(estimator).parameters.values()
    return all(
        parameter.default is not parameter.empty
        or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        for parameter in parameters
    )


def _all_estimators(type_filter: str | None = None) -> list[tuple[str, type]]:
    """Return the estimators, without those that are made of others, as scikit-learn 0.15 did."""
    find: Any = importlib.import_module("sklearn.utils").all_estimators
    return [
        (name, estimator)
        for name, estimator in find(type_filter=type_filter)
        if _can_be_made_without_arguments(estimator)
    ]


def _module(name: str, **names: object) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(names)
    return module


@contextmanager
def _lend_old_modules() -> Iterator[None]:
    selection: Any = importlib.import_module("sklearn.model_selection")
    metrics = importlib.import_module("sklearn.metrics")
    lent = {
        "sklearn.cross_validation": _module(
            "sklearn.cross_validation",
            train_test_split=selection.train_test_split,
            cross_val_score=selection.cross_val_score,
        ),
        "sklearn.grid_search": _module(
            "sklearn.grid_search", GridSearchCV=_with_grid_scores(selection.GridSearchCV)
        ),
        "sklearn.metrics": copy_with_names(metrics, SCORERS=_Scorers()),
        "sklearn.utils.testing": _module("sklearn.utils.testing", all_estimators=_all_estimators),
    }
    own = {name: sys.modules.get(name) for name in lent}
    sys.modules.update(lent)
    try:
        with warnings.catch_warnings():
            # The package makes each estimator once, those that will be removed one day among them.
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        for name, module in own.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


# -- results of a grid search -------------------------------------------------------

_GridScore = namedtuple(
    "_GridScore", ("parameters", "mean_validation_score", "cv_validation_scores")
)


def _with_grid_scores(search: Any) -> Any:
    class GridSearchCV(search):
        """A grid search that has ``grid_scores_``, as in scikit-learn 0.15."""

        @property
        def grid_scores_(self) -> list[_GridScore]:
            results = self.cv_results_
            folds = [results[f"split{n}_test_score"] for n in range(self.n_splits_)]
            return [
                _GridScore(parameters, float(mean), [float(scores[n]) for scores in folds])
                for n, (parameters, mean) in enumerate(
                    zip(results["params"], results["mean_test_score"], strict=True)
                )
            ]

    return GridSearchCV


# -- parameters of estimators -------------------------------------------------------

#: Parameters that have another name now, by estimator.
_RENAMED: Mapping[str, Mapping[str, str]] = {
    "AdaBoostClassifier": {"base_estimator": "estimator"},
    "AdaBoostRegressor": {"base_estimator": "estimator"},
    "AgglomerativeClustering": {"affinity": "metric"},
    "BaggingClassifier": {"base_estimator": "estimator"},
    "BaggingRegressor": {"base_estimator": "estimator"},
    "FeatureAgglomeration": {"affinity": "metric"},
    "PassiveAggressiveClassifier": {"n_iter": "max_iter"},
    "PassiveAggressiveRegressor": {"n_iter": "max_iter"},
    "Perceptron": {"n_iter": "max_iter"},
    "SGDClassifier": {"n_iter": "max_iter"},
    "SGDRegressor": {"n_iter": "max_iter"},
    "TSNE": {"n_iter": "max_iter"},
}

#: Parameters that are gone and only changed how fast it was, by estimator.
_REMOVED: Mapping[str, frozenset[str]] = {
    "KMeans": frozenset({"n_jobs", "precompute_distances"}),
    "LinearRegression": frozenset({"n_jobs"}),
    "SpectralClustering": frozenset({"mode"}),
}


def _take_old_parameters(init: Any) -> None:
    for module in init._modules:
        estimator = getattr(module, "_estimator_class", None)
        if estimator is None:
            continue
        ports = {port[0] for port in module._input_ports}
        renamed = {
            old: new
            for old, new in _RENAMED.get(module.__name__, {}).items()
            if old not in ports and new in ports
        }
        removed = _REMOVED.get(module.__name__, frozenset()) - ports
        if renamed or removed:
            module._input_ports.extend(
                (old, "basic:String", {"optional": True}) for old in sorted({*renamed, *removed})
            )
            module._estimator_class = staticmethod(_maker(estimator, renamed, removed))


def _maker(
    estimator: Callable[..., Any], renamed: Mapping[str, str], removed: frozenset[str]
) -> Callable[..., Any]:
    def make(**parameters: Any) -> Any:
        return estimator(
            **{
                renamed.get(name, name): value
                for name, value in parameters.items()
                if name not in removed
            }
        )

    return make


def _lacks(module: str) -> bool:
    return importlib.util.find_spec(module) is None


REPAIRS = (
    Repair(
        name="sklearn-modules",
        symptom="ModuleNotFoundError: No module named 'sklearn.cross_validation', and "
        "AttributeError: no attribute 'grid_scores_'",
        cause="scikit-learn 0.20 to 1.3 removed cross_validation, grid_search, utils.testing, "
        "metrics.SCORERS and grid_scores_; estimators that need arguments came to its list",
        affected="scikit-learn 0.20 and later",
        modules=(_INIT,),
        needed=lambda: _lacks("sklearn.cross_validation"),
        around=_lend_old_modules,
    ),
    Repair(
        name="sklearn-parameters",
        symptom="the module has no port 'n_iter', or TypeError: unexpected keyword argument, "
        "for parameters of TSNE and other estimators",
        cause="parameters of estimators that were renamed or removed",
        affected="scikit-learn 0.21 and later",
        modules=(_INIT,),
        needed=lambda: _lacks("sklearn.cross_validation"),
        after=_take_old_parameters,
    ),
)
