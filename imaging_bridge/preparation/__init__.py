"""What is done to scans before they are used: registration, resampling, bias, intensity, frame."""
