"""Several devices: meshes, and layouts of parameters and batches."""
