"""The base model and the machine of a training, held to what can be trained."""

from lambdas.core.errors import Fault
from lambdas.models.schema import Model
from lambdas.trainings.instances import INSTANCE_TYPES, InstanceType
from lambdas.trainings.schema import FmType, ModelUsed, NewTraining

_UNTIL_READY = {
    "uploading": "complete its upload first",
    "importing": "wait until it is ready",
    "checking": "its bytes are being held to their SHA-256, wait until it is ready",
}


def instance(name: str, faults: list[Fault]) -> InstanceType:
    """Return an instance type, another one and a fault where it has no such name."""
    found = INSTANCE_TYPES.get(name)
    if found is None:
        known = ", ".join(sorted(INSTANCE_TYPES))
        faults.append(Fault("/instance_type", f"must be one of {known}; not {name}"))
        return INSTANCE_TYPES["ml.g5.xlarge"]
    return found


def family(request: NewTraining, model: Model | None, faults: list[Fault]) -> FmType | None:
    """Return the family to train: the base model's, else the one asked for."""
    if model is None:
        faults.append(Fault("/model", f"there is no model {request.model}: GET /models lists them"))
        return request.fm_type
    if model.type != "checkpoint":
        faults.append(Fault("/model", f"{model.name} is a {model.type}; a base model is needed"))
        return request.fm_type
    if model.status != "ready":
        faults.append(Fault("/model", not_ready(model)))
        return request.fm_type
    if model.fm_type == "other" or model.fm_type is None:
        faults.append(
            Fault(
                "/model",
                f"{model.name} is neither a whole SD 1.5 nor a whole SDXL checkpoint (U-Net, text "
                f"encoders, VAE); only these can be trained{_what_it_is(model)}",
            )
        )
        return request.fm_type
    if request.fm_type not in (None, model.fm_type):
        faults.append(
            Fault(
                "/fm_type",
                f"is {request.fm_type}, but {model.name} is {model.fm_type}: set {model.fm_type}, "
                "leave fm_type out, or choose another model",
            )
        )
    return model.fm_type


def not_ready(model: Model) -> str:
    """Return what is to be done about a model that is not ready."""
    remedy = _UNTIL_READY.get(model.status, "choose another model")
    return f"{model.name} is {model.status}: {remedy}"


def _what_it_is(model: Model) -> str:
    header = model.header
    if header is None or header.family == "unknown":
        return ""
    kind = "an inpainting model" if header.inpainting else f"of the parts {', '.join(header.parts)}"
    return f". Its header tells {header.family}, {kind}"


def model_used(model: Model | None) -> ModelUsed | None:
    """Return what a record keeps of a model."""
    if model is None:
        return None
    return ModelUsed(id=model.id, name=model.name, file_name=model.file_name)
