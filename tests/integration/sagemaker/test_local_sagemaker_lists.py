"""The SageMaker endpoint: lists and tags."""

from typing import Any

from sagemaker_support import Stack


def test_jobs_are_listed_by_page_name_and_status(stack: Stack) -> None:
    names = [f"listed-{number}" for number in range(5)]
    for one in names:
        stack.create(one, "sys.exit(1)" if one == "listed-3" else "")
    for one in names:
        stack.wait(one)
    pages = stack.sagemaker.get_paginator("list_training_jobs")

    def found(**more: Any) -> list[str]:
        arguments = {"NameContains": "listed", "PaginationConfig": {"PageSize": 2}, **more}
        return [
            job["TrainingJobName"]
            for page in pages.paginate(**arguments)
            for job in page["TrainingJobSummaries"]
        ]

    assert found() == names[::-1]
    assert found(SortBy="Name", SortOrder="Ascending") == names
    assert found(StatusEquals="Failed") == ["listed-3"]
    assert found(NameContains="LISTED-1") == ["listed-1"]


def test_tags_are_kept_and_added(stack: Stack, name: str) -> None:
    stack.create(name, Tags=[{"Key": "a", "Value": "1"}])
    arn = stack.wait(name)["TrainingJobArn"]
    stack.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}])
    tags = stack.sagemaker.list_tags(ResourceArn=arn)["Tags"]
    assert tags == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
