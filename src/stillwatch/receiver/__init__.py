"""Takes exchanges over the network, and acknowledges only what is durable."""
