"""Fine-tuning, pre-training and distillation: one loop, one state, checkpoints."""
