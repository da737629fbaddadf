"""Two spaces of the same inputs: bridges from one to the other, and heads of one that read the other."""

from geojax.alignment.anchors import farthest_anchors, kmeans_anchors, random_anchors
from geojax.alignment.bridge import METHODS, AlignmentWarning, Bridge, fit_bridge, fit_bridges
from geojax.alignment.checks import remarks
from geojax.alignment.fidelity import cosines, r2, ranks
from geojax.alignment.files import Saved, Translated, load_bridge, save_bridge, translate_file
from geojax.alignment.heads import Head, accuracy, fit_head, fit_mlp_head, stitch
from geojax.alignment.inverse import inverse_project
from geojax.alignment.relative import relative_project

__all__ = [
    "METHODS",
    "AlignmentWarning",
    "Bridge",
    "Head",
    "Saved",
    "Translated",
    "accuracy",
    "cosines",
    "farthest_anchors",
    "fit_bridge",
    "fit_bridges",
    "fit_head",
    "fit_mlp_head",
    "inverse_project",
    "kmeans_anchors",
    "load_bridge",
    "r2",
    "random_anchors",
    "ranks",
    "relative_project",
    "remarks",
    "save_bridge",
    "stitch",
    "translate_file",
]
