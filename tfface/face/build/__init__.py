"""How the open face model is made of CC0 MakeHuman data, and the pooled one of scanned people too, one file a step.

`data_tools/build_face_model.py` runs it (`assemble`). With ICT-FaceKit's data (`ict`) the cage is laid on scanned
people (`registration`, `carry`, `eyes`), and both populations are pooled (`scanned`, `pooled`, `parts`).
"""
