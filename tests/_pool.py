"""Post Cognito's operations by hand, for the tests of the fake."""

import json
from typing import Any, NamedTuple

from aiohttp import ClientSession
from multidict import CIMultiDictProxy

from vendorauth.testing import FakeProGlove


class Reply(NamedTuple):
    status: int
    headers: CIMultiDictProxy[str]
    body: Any

    @property
    def code(self) -> str:
        return str(self.body["__type"])

    @property
    def result(self) -> dict[str, Any]:
        result: dict[str, Any] = self.body["AuthenticationResult"]
        return result


class Pool:
    """Post Cognito's operations as a client would, by hand."""

    def __init__(self, fake: FakeProGlove, session: ClientSession) -> None:
        self.fake = fake
        self.session = session

    async def post(self, operation: str, body: object, content_type: str = "application/x-amz-json-1.1") -> Reply:
        headers = {"X-Amz-Target": f"AWSCognitoIdentityProviderService.{operation}", "Content-Type": content_type}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.session.post(self.fake.cognito_url, data=data, headers=headers) as response:
            text = await response.text()
            return Reply(response.status, response.headers, json.loads(text) if text else None)

    async def initiate(self, flow: str, **parameters: str) -> Reply:
        body = {"AuthFlow": flow, "ClientId": self.fake.client_id, "AuthParameters": parameters}
        return await self.post("InitiateAuth", body)

    async def login(self, **wrong: str) -> Reply:
        right = {"USERNAME": self.fake.username, "PASSWORD": self.fake.password}
        return await self.initiate("USER_PASSWORD_AUTH", **(right | wrong))

    async def refresh(self, token: str, **more: str) -> Reply:
        return await self.initiate("REFRESH_TOKEN", REFRESH_TOKEN=token, **more)

    async def get_tokens(self, token: str) -> Reply:
        return await self.post("GetTokensFromRefreshToken", {"RefreshToken": token, "ClientId": self.fake.client_id})

    async def revoke(self, token: str) -> Reply:
        return await self.post("RevokeToken", {"Token": token, "ClientId": self.fake.client_id})

    async def answer(self, last: Reply, name: str | None = None, **answers: str) -> Reply:
        body = {
            "ClientId": self.fake.client_id,
            "ChallengeName": name or last.body["ChallengeName"],
            "Session": last.body["Session"],
            "ChallengeResponses": {"USERNAME": self.fake.username} | answers,
        }
        return await self.post("RespondToAuthChallenge", body)

    async def lives(self, token: str) -> bool:
        url = f"{self.fake.base_url}/{self.fake.customer_id}/features"
        async with self.session.get(url, headers={"Authorization": token}) as response:
            return response.status == 200
