"""The smallest Acclaim files, made by hand."""

from via_jax import skeletons
from via_jax.data.readers import asf_amc

BODY = """# made by hand in K\xf6ln
:units
  mass 1.0
  length 0.0254
  angle deg
:documentation
   begin of no bone, length many
:root
   order TX TY TZ RX RY RZ
   axis XYZ
   position 0 0 0
   orientation 0 0 0
:bonedata
  begin
     id 1
     name hand
     direction 1 0 0
     length 1
     axis 90 0 0  XYZ
    dof rz
    limits (-inf inf)
  end
  begin
     id 2
     name arm
     direction 1 0 0
     length 2
     axis 0 0 0  XYZ
    dof rx ry rz
  end
:hierarchy
  begin
    root arm
    arm hand
  end
"""
MOTION = """#!OML:ASF X:\\f\xfcr Bonn
:FULLY-SPECIFIED
:DEGREES
1
root 1 2 3 0 0 0
arm 0 0 90
hand 0
2
root 0 0 0 0 0 0
arm 0 0 0
hand 90
3
root 0 0 0 90 90 0
arm 0 0 0
hand 0
"""


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.replace("\n", "\r\n").encode("latin-1"))
    return path


def full_body():
    """A body of all bones, each 1 unit up from its parent, that bends about x only."""
    layout = skeletons.get_layout("hdm05")
    bones = "".join(
        f"begin\nname {bone}\ndirection 0 1 0\nlength 1\naxis 0 0 0 XYZ\ndof rx\nend\n"
        for bone in reversed(asf_amc.JOINTS[1:])  # not the order of the layout
    )
    tree = "\n".join(f"{asf_amc.JOINTS[a]} {asf_amc.JOINTS[b]}" for a, b in layout.bones)
    head = BODY[: BODY.index("  begin\n     id 1")]
    return f"{head}{bones}:hierarchy\nbegin\n{tree}\nend\n"


def full_motion(frames):
    """The root rises by a unit per frame, the arms and legs hang straight."""
    bones = "".join(f"{bone} 0\n" for bone in asf_amc.JOINTS[1:])
    text = "".join(f"{n + 1}\nroot 0 {n} 0 0 0 0\n{bones}" for n in range(frames))
    return ":FULLY-SPECIFIED\n:DEGREES\n" + text
