"""Scans, pictures and signals in files that are not DICOM."""
