"""The joints of every layout, in the order of its files, and its bones.

A joint's name is its meaning, shared by all layouts: "left_wrist" is the same point of the body
wherever it occurs. Left and right are the moving person's own. The less obvious meanings:

  mid_hip      the recording's own hip centre or root; where it has none, the mean of the hips
  spine        the back at about 0.4 of the way from the hips up to the shoulders
  chest        the middle of the trunk: the mean of both hips and both shoulders
  upper_spine  the back at about 0.65 of that way;  thorax: at 0.9, where the collar bones begin
  neck         between the shoulders, the base of the neck;  upper_neck: halfway up the neck
  head_base    where neck and skull meet;  head: the centre or the top of the head
  left_hand    the palm or the knuckles, beyond left_wrist;  left_hand_tip: the finger tips
  left_foot    the ball of the foot or the toes, beyond left_ankle;  left_toe_end: the toe tips
  ..._roll     a point on a limb between two joints

Marker sets differ: measured from the hips up to the shoulders, `mid_hip` lies at 0.18 in NW-UCLA,
0.20 in HDM05 and 0.03 in Berkeley MHAD, `neck` at 1.26, 1.08 and 1.13. Where such differences must
go, convert to `lcrnet13` first: from it every central joint is derived from the same limbs.
"""

_COCO = """nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow
    right_elbow left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle
    right_ankle """
JOINTS = {  # in the order of the files; `skeletons.get_layout` says whose files
    "unik17": """head nose neck chest mid_hip left_shoulder right_shoulder left_elbow right_elbow
        left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle""",
    "penn13": """head right_shoulder left_shoulder right_elbow left_elbow right_wrist left_wrist
        right_hip left_hip right_knee left_knee right_ankle left_ankle""",
    "kinect20": """mid_hip spine neck head left_shoulder left_elbow left_wrist left_hand
        right_shoulder right_elbow right_wrist right_hand left_hip left_knee left_ankle left_foot
        right_hip right_knee right_ankle right_foot""",
    "ntu25": """mid_hip spine upper_neck head left_shoulder left_elbow left_wrist left_hand
        right_shoulder right_elbow right_wrist right_hand left_hip left_knee left_ankle left_foot
        right_hip right_knee right_ankle right_foot neck left_hand_tip left_thumb right_hand_tip
        right_thumb""",
    "coco17": _COCO,
    "openpose25": """nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow
        left_wrist mid_hip right_hip right_knee right_ankle left_hip left_knee left_ankle right_eye
        left_eye right_ear left_ear left_big_toe left_small_toe left_heel right_big_toe
        right_small_toe right_heel""",
    "openpose18": """nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow
        left_wrist right_hip right_knee right_ankle left_hip left_knee left_ankle right_eye left_eye
        right_ear left_ear""",
    "lcrnet13": """right_ankle left_ankle right_knee left_knee right_hip left_hip right_wrist
        left_wrist right_elbow left_elbow right_shoulder left_shoulder head""",
    "h36m17": """mid_hip right_hip right_knee right_ankle left_hip left_knee left_ankle spine neck
        nose head left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist""",
    "mixamo15": """head neck right_shoulder right_elbow right_wrist left_shoulder left_elbow
        left_wrist mid_hip right_hip right_knee right_ankle left_hip left_knee left_ankle""",
    "hdm05": """mid_hip left_hip left_knee left_ankle left_foot left_toe_end right_hip right_knee
        right_ankle right_foot right_toe_end spine upper_spine thorax neck head_base head
        left_shoulder left_elbow left_forearm_roll left_wrist left_hand left_hand_tip left_thumb
        right_shoulder right_elbow right_forearm_roll right_wrist right_hand right_hand_tip
        right_thumb""",
    "mhad35": """mid_hip lower_spine spine upper_spine neck head_base head right_clavicle
        right_shoulder right_arm_roll right_elbow right_forearm_roll right_wrist right_hand_end
        left_clavicle left_shoulder left_arm_roll left_elbow left_forearm_roll left_wrist
        left_hand_end right_hip right_thigh_roll right_knee right_shin_roll right_ankle right_foot
        right_toe_end left_hip left_thigh_roll left_knee left_shin_roll left_ankle left_foot
        left_toe_end""",
    "sbu15": """head neck chest left_shoulder left_elbow left_hand right_shoulder right_elbow
        right_hand left_hip left_knee left_foot right_hip right_knee right_foot""",
    "halpe26": _COCO
    + """head neck mid_hip left_big_toe right_big_toe left_small_toe
        right_small_toe left_heel right_heel""",
    "mediapipe33": """nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye
        right_eye_outer left_ear right_ear left_mouth right_mouth left_shoulder right_shoulder
        left_elbow right_elbow left_wrist right_wrist left_pinky right_pinky left_index right_index
        left_thumb right_thumb left_hip right_hip left_knee right_knee left_ankle right_ankle
        left_heel right_heel left_foot right_foot""",
    "bandai22": """root mid_hip spine upper_spine neck head_base left_clavicle left_shoulder
        left_elbow left_wrist right_clavicle right_shoulder right_elbow right_wrist left_hip
        left_knee left_ankle left_foot right_hip right_knee right_ankle right_foot""",
}

# Chains of joints, each the child of the one before; a left chain stands for the right one too.
_LIMBS = ("neck left_shoulder left_elbow left_wrist", "mid_hip left_hip left_knee left_ankle")
_ENDS = ("left_wrist left_hand", "left_ankle left_foot")
_FACE = ("nose left_eye left_ear",)
_TOES = ("left_ankle left_big_toe left_small_toe", "left_ankle left_heel")
_FRAME = (  # without a hip centre the trunk is drawn as a frame, which closes a loop
    "left_shoulder left_elbow left_wrist",
    "left_shoulder left_hip left_knee left_ankle",
    "left_shoulder right_shoulder",
    "left_hip right_hip",
)
BONES: dict[str, tuple[str, ...]] = {
    "unik17": ("mid_hip chest neck nose head", *_LIMBS),
    "penn13": ("head left_shoulder", *_FRAME),
    "kinect20": ("mid_hip spine neck head", *_LIMBS, *_ENDS),
    "ntu25": (
        "mid_hip spine neck upper_neck head",
        *(*_LIMBS, *_ENDS, "left_hand left_hand_tip", "left_hand left_thumb"),
    ),
    "coco17": (*_FACE, "left_ear left_shoulder", *_FRAME),
    "openpose25": ("mid_hip neck nose", *_FACE, *_LIMBS, *_TOES),
    "openpose18": ("neck nose", *_FACE, _LIMBS[0], "neck left_hip left_knee left_ankle"),
    "lcrnet13": ("head left_shoulder", *_FRAME),
    "h36m17": ("mid_hip spine neck nose head", *_LIMBS),
    "mixamo15": ("mid_hip neck head", *_LIMBS),
    "hdm05": (
        "mid_hip spine upper_spine thorax neck head_base head",
        "thorax left_shoulder left_elbow left_forearm_roll left_wrist left_hand left_hand_tip",
        "left_wrist left_thumb",
        "mid_hip left_hip left_knee left_ankle left_foot left_toe_end",
    ),
    "mhad35": (
        "mid_hip lower_spine spine upper_spine neck head_base head",
        "upper_spine left_clavicle left_shoulder left_arm_roll left_elbow left_forearm_roll",
        "left_forearm_roll left_wrist left_hand_end",
        "mid_hip left_hip left_thigh_roll left_knee left_shin_roll left_ankle left_foot",
        "left_foot left_toe_end",
    ),
    "sbu15": (
        "chest neck head",
        "neck left_shoulder left_elbow left_hand",
        "chest left_hip left_knee left_foot",
    ),
    "halpe26": ("mid_hip neck head", "neck nose", *_FACE, *_LIMBS, *_TOES),
    "mediapipe33": (
        "nose left_eye_inner left_eye left_eye_outer left_ear",
        "left_mouth right_mouth",
        "left_wrist left_pinky left_index left_wrist left_thumb",
        "left_ankle left_heel left_foot left_ankle",
        *_FRAME,
    ),
    "bandai22": (
        "mid_hip root",
        "mid_hip spine upper_spine neck head_base",
        "upper_spine left_clavicle left_shoulder left_elbow left_wrist",
        "mid_hip left_hip left_knee left_ankle left_foot",
    ),
}
