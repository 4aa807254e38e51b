"""What the terminal shows once the stack is up."""

from local.plan import Plan


def banner(plan: Plan, token: str, seconds: float) -> str:
    """The URL, the token, and three commands that work as they stand."""
    url = plan.base_url
    bearer = f"-H 'Authorization: Bearer {token}'"
    body = '{"name": "laptop", "role": "trainer"}'
    return f"""
LoRAStack is ready after {seconds:.1f} s: {url}
  workspace  {plan.options.workspace}
  token      {token}
  state      {plan.state.root}

  curl {url}/health
  curl {bearer} {url}/trainings
  curl {bearer} -H 'Content-Type: application/json' -d '{body}' {url}/tokens

Ctrl-C ends it."""


def endpoints(plan: Plan, token: str) -> dict[str, object]:
    """The content of endpoints.json: addresses, and an operator's credentials."""
    credentials = plan.credentials("LOCALOPERATOR")
    template = plan.template
    return {
        "url": plan.base_url,
        "token": token,
        "workspace": plan.options.workspace,
        "s3": plan.addresses.s3,
        "sagemaker": plan.addresses.sagemaker,
        "dynamodb": plan.addresses.moto,
        "bucket": template.buckets[0].name if template.buckets else None,
        "table": template.tables[0].name if template.tables else None,
        "region": credentials["AWS_REGION"],
        "access_key_id": credentials["AWS_ACCESS_KEY_ID"],
        "secret_access_key": credentials["AWS_SECRET_ACCESS_KEY"],
    }
