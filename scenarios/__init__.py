"""What is posed: scenario files, their schema and their catalogue."""
