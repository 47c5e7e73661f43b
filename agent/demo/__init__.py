"""What `outrider demo` starts for real: servers from wheels, without root, Docker or a package manager."""
