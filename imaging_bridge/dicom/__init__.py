"""DICOM in: series, segmentations, structure sets and dose, from files that nobody vouches for."""
