"""Photographs and films in and out.

| question | file |
|---|---|
| which formats are supported, and what can they hold? | formats.py |
| how is a photograph read, and written? | reader.py, writer.py, encoders.py |
| which pages or frames has a file, and how are they written? | sequences.py, assemblers.py |
| what does a photograph carry beside its pixels? | metadata.py, exif.py, iptc.py, xmp.py |
| what does a file say about how it was made? | provenance.py |
| which files does a path, a folder or a pattern stand for? | files.py |
| how is a file written so that it is never left half-written? | atomic.py |
| how are pictures shown side by side? | sheets.py |
| how are the frames of a film read? | films.py |
"""
