"""Probes of a review; each prints what happens."""
import json, time
from datetime import UTC, datetime, timedelta
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ReadTimeoutError, ClientError
from tests.unit.scenes import DATASETS, MODELS, TRAININGS, ready_dataset, ready_model
from tests.unit.fakes import LORA, safetensors_file, Context
from tests.unit.test_training_status import told, send, leave_lora, read, training, tell_progress, progress, end
from lambdas.core import table, bucket, aws, clock
from lambdas.trainings import repository, transitions, launcher
from lambdas.training_status import service

def show(tag, a): print(f"\n## {tag}: {a.status} {json.dumps(a.body)[:300]}")
def safe(tag, f):
    try: r=f()
    except BaseException as e: print(f"\n## {tag}: RAISED {type(e).__name__} {str(e)[:300]}"); return None
    if hasattr(r,'status'): show(tag,r)
    else: print(f"\n## {tag}: {str(r)[:300]}")
    return r

def test_end_twice_race(aws_calls, sagemaker, training):
    leave_lora(training)
    kept = repository.find("acme", training["id"])
    sagemaker.set_state(training["job_name"], "Completed", "Completed")
    st = launcher.describe(training["job_name"])
    lora = service._registered_lora(kept, partial=False)
    e = transitions.Ending("succeeded","x",lora=lora)
    print("first", transitions.end("acme", kept.training, e))
    safe("second end", lambda: transitions.end("acme", kept.training, e))

def test_describe_lags(aws_calls, sagemaker, training):
    leave_lora(training)
    sagemaker.set_state(training["job_name"], "InProgress", "Uploading")
    send(told(training,"Completed","Completed",900))
    r=read(training); print("\n## describe lags:", r["status"], r["failure"], r["provider_status"])

def test_reconcile_poison(aws_calls, sagemaker, training, monkeypatch):
    b = TRAININGS.post("/trainings", {"name":"b","model":"base","datasets":[{"dataset":"tusiji"}]}).body
    for t in (training,b):
        sagemaker.set_state(t["job_name"],"InProgress","Training")
    future = clock.now()+timedelta(minutes=3)
    monkeypatch.setattr(service.clock,"now",lambda: future)
    real = launcher.describe
    monkeypatch.setattr(launcher,"describe",lambda n: (_ for _ in ()).throw(ClientError({"Error":{"Code":"ThrottlingException","Message":"x"}},"D")) if n==training["job_name"] else real(n))
    safe("reconcile", service.reconcile)
    safe("reconcile again", service.reconcile)
    print(read(training)["status"], read(b)["status"])

def test_declare_race(aws_calls):
    d = DATASETS.post("/datasets", {"name":"a","prefix":"10_x","caption_policy":"empty","files":[{"name":"a.png","size":3}]}).body["dataset"]["id"]
    bucket.put(f"acme/datasets/{d}/10_x/a.png", b"abc")
    from lambdas.datasets import repository as R
    from lambdas.datasets.schema import File
    ds, v = R.get("acme", d)          # request A reads
    print("complete", DATASETS.post(f"/datasets/{d}/complete").body["status"])   # B completes
    R.declare_more("acme", ds, v, [File(name="a.png",size=3),File(name="b.png",size=3)])  # A goes on
    print("\n## after: ", DATASETS.get(f"/datasets/{d}").body["status"])
    # two declare_more
    ds, v = R.get("acme", d)
    R.declare_more("acme", ds, v, [File(name="A.png",size=3)])
    safe("second declare", lambda: R.declare_more("acme", ds, v, [File(name="B.png",size=3)]))
    ds2, v2 = R.get("acme", d); print("files kept:", R.declared_files("acme", d, v2))

def test_timeout_after_commit(aws_calls, monkeypatch):
    through = BaseClient._make_api_call
    def call(self, op, req):
        r = through(self, op, req)
        if op == "TransactWriteItems" and armed: raise ReadTimeoutError(endpoint_url="x")
        return r
    armed = [1]
    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    body={"name":"a","prefix":"10_x","caption_policy":"empty","files":[{"name":"a.png","size":3}]}
    safe("create ds", lambda: DATASETS.post("/datasets", body, key="k"))
    armed.clear()
    a=safe("retry ds", lambda: DATASETS.post("/datasets", body, key="k"))
    d=a.body["dataset"]["id"]; print("uploads:", a.body["uploads"], a.body["missing"])
    bucket.put(f"acme/datasets/{d}/10_x/a.png", b"abc")
    safe("complete ds", lambda: DATASETS.post(f"/datasets/{d}/complete"))
    armed.append(1)
    mb={"name":"m","file_name":"m.safetensors","size":100}
    safe("create m", lambda: MODELS.post("/models", mb, key="k2")); armed.clear()
    a=safe("retry m", lambda: MODELS.post("/models", mb, key="k2"))
    print(aws.s3().list_multipart_uploads(Bucket="bucket").get("Uploads"))
    safe("complete m", lambda: MODELS.post(f"/models/{a.body['model']['id']}/complete", {"parts":[{"part_number":1,"etag":"x"}]}))
    safe("get m", lambda: MODELS.get(f"/models/{a.body['model']['id']}"))

def test_write_conflict(aws_calls, sagemaker, training, monkeypatch):
    through = BaseClient._make_api_call
    def call(self, op, req):
        if op == "UpdateItem": raise ClientError({"Error":{"Code":"TransactionConflictException","Message":"Transaction is ongoing for the item"}}, op)
        return through(self, op, req)
    ev = tell_progress(training, **progress(3, 1))
    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    safe("progress conflict", lambda: send(ev))

def test_progress_order(aws_calls, training):
    a = progress(3,1) | {"updated_at":"2026-01-31T12:00:01.000Z"}
    b = progress(9,1) | {"updated_at":"2026-01-31T12:00:01.500Z"}
    send(tell_progress(training, **a)); send(tell_progress(training, **b))
    print("\n## step after later progress:", read(training)["progress"]["step"])

def test_cancel_throttled(aws_calls, training, monkeypatch):
    monkeypatch.setattr(launcher.aws, "sagemaker", lambda: type("S",(),{"stop_training_job":lambda s,**k: (_ for _ in ()).throw(ClientError({"Error":{"Code":"ThrottlingException","Message":"x"}},"Stop"))})())
    safe("cancel throttled", lambda: TRAININGS.post(f"/trainings/{training['id']}/cancel"))
    print(read(training)["status"])

def test_unknown_secondary_while_stopping(aws_calls, training):
    send(told(training,"Stopping","MaxRuntimeExceeded",5)); print("\n## stopping:", read(training)["status"])

def test_throttle_503(aws_calls, monkeypatch):
    through = BaseClient._make_api_call
    monkeypatch.setattr(BaseClient,"_make_api_call", lambda s,op,r: (_ for _ in ()).throw(ClientError({"Error":{"Code":"ProvisionedThroughputExceededException","Message":""}},op)) if op=="GetItem" else through(s,op,r))
    safe("get throttled", lambda: DATASETS.get("/datasets/ds_x"))

def test_tags(aws_calls, monkeypatch):
    from lambdas.trainings.settings import Settings
    class T: id="trn_1"; tags={"cost-center":"mine"}
    s=Settings.load().model_copy(update={"training_tags":{"cost-center":"operator"}})
    print("\n## tags", launcher._tags("acme",T,s))
def test_stale_progress_nan(aws_calls, sagemaker, training):
    key=f"acme/trainings/{training['id']}/checkpoints/progress.json"
    bucket.put(key, json.dumps(progress(3,1)|{"loss":float("nan")}).encode())
    safe("nan progress", lambda: service.apply_progress("acme",training["id"]))
    from lambdas.core.attributes import encode; print(encode(float("nan")))
