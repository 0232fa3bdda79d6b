"""What a principle means: one set of architectures, told by three engines that must agree."""
