"""What training costs on a GPU, network by network and way by way: `python -m benchmarks.gpu`."""
