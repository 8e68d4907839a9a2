"""The parts of `benches/gpu.py`: what is packed here, and what is run and recorded on the machine with a GPU."""
