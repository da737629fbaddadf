"""Every measure of a cloud or of a pair of clouds, declared once: a file of rows for each family, and their one order.

From a row of `CATALOGUE` follow the command line, the table in the README, the columns of reports and the tests.
"""

from geojax.measures.catalogue import cells, dimension, neighbours, shape, similarity, spread, topology, transfer
from geojax.measures.row import Measure

CATALOGUE: tuple[Measure, ...] = (
    *cells.of_cells("pq"),
    *cells.of_cells("lsq"),
    spread.EEE,
    spread.VRM,
    spread.ISOSCORE,
    spread.AVERAGE_COSINE_SIMILARITY,
    spread.PARTITION_RATIO,
    spread.PC_RATIO,
    neighbours.KOLEO,
    neighbours.KNN_OVERLAP,
    spread.KL_GAUSSIAN,
    spread.KL_DISCRETE,
    neighbours.KL_EMPIRICAL,
    dimension.TWO_NN,
    dimension.MLE_DIMENSION,
    dimension.GRIDE,
    dimension.CORRELATION_DIMENSION,
    dimension.HUBNESS,
    dimension.LOCAL_TWO_NN,
    dimension.LOCAL_PCA_DIMENSION,
    shape.EFFECTIVE_RANK,
    shape.SPECTRAL_DECAY,
    shape.PH0_DIMENSION,
    shape.HYPERBOLICITY,
    shape.FORMAN_RICCI,
    shape.OLLIVIER_RICCI,
    topology.H0_TOTAL_PERSISTENCE,
    topology.H1_TOTAL_PERSISTENCE,
    topology.H1_SHARE,
    topology.CODENSITY_RATIO,
    topology.LOCAL_PERSISTENCE_ENTROPY,
    transfer.LOGME,
    transfer.H_SCORE,
    transfer.TRANSRATE,
    transfer.KNN_ACCURACY,
    transfer.CLASS_MEAN_ACCURACY,
    transfer.RIDGE_PROBE,
    similarity.CKA,
    similarity.PROCRUSTES_SIMILARITY,
    similarity.MUTUAL_KNN,
    similarity.RSA,
    similarity.SVCCA,
    similarity.LINEAR_PREDICTIVITY,
)
