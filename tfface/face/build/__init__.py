"""How the open face model is made from CC0 MakeHuman data, one file a step: `data_tools/build_face_model.py`."""
