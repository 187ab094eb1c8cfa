"""How the open face model is made from the CC0 MakeHuman data: one file a step, run by `data_tools/build_face_model.py`."""
