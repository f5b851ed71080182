"""A fitted model as one file that runs without tsforge: ONNX, or a program of torch.export."""
