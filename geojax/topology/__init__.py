"""The topology of the neighbourhoods of vectors in a datastore: features of a token."""

from geojax.topology.datastore import Datastore
from geojax.topology.local import LocalTopology, local_topology

__all__ = ["Datastore", "LocalTopology", "local_topology"]
