"""How one gets into Kafka, from the settings; impossible combinations are refused by name."""

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator

from runtime.bounds import BoundSettings
from runtime.kafka.access.combinations import refuse_impossible
from runtime.kafka.access.security import Kerberos, Mechanism, Protocol, Security
from runtime.kafka.access.tls import Tls
from runtime.kafka.access.tokens import AmazonMsk, ClientCredentials, Source, TokenFile

_PEM = "a file, or PEM as text"


class AccessSettings(BoundSettings):
    """By default Kafka is open: neither encryption nor a login."""

    kafka_security_protocol: Protocol = Field(
        "PLAINTEXT", description="how brokers are reached; managed ones by SASL_SSL"
    )
    kafka_sasl_mechanism: Mechanism | None = Field(None, description="how one logs in with SASL_SSL or SASL_PLAINTEXT")
    kafka_sasl_username: str | None = Field(None, description="for PLAIN and SCRAM; often called an API key")
    kafka_sasl_password: SecretStr | None = Field(None, description="for PLAIN and SCRAM; often called a secret")
    kafka_sasl_password_file: Path | None = Field(None, description="a file with that password, read at each login")
    kafka_sasl_kerberos_service_name: str | None = Field(
        None, description="GSSAPI: the brokers' service, `kafka` unless set; needs the extra `headgate[kerberos]`"
    )
    kafka_sasl_kerberos_domain_name: str | None = Field(
        None, description="GSSAPI: the host of that service's principal; none = that of each broker's address"
    )
    kafka_ssl_ca: str | None = Field(
        None, description=f"whose certificates brokers may show: {_PEM}; none = those that the system trusts"
    )
    kafka_ssl_certificate: str | None = Field(None, description=f"a client's certificate with its chain: {_PEM}")
    kafka_ssl_key: SecretStr | None = Field(None, description=f"its key, unless the certificate's file has it: {_PEM}")
    kafka_ssl_key_password: SecretStr | None = Field(None, description="the password of an encrypted KAFKA_SSL_KEY")
    kafka_ssl_key_password_file: Path | None = Field(None, description="a file that holds that key's password")
    kafka_ssl_check_hostname: bool = Field(True, description="refuse brokers whose certificate has another name")
    kafka_oauth_token_url: str | None = Field(
        None, pattern="^https?://", description="OAUTHBEARER: where tokens are given for client credentials"
    )
    kafka_oauth_client_id: str | None = Field(None, description="who asks the token server")
    kafka_oauth_client_secret: SecretStr | None = Field(None, description="with which secret it is asked")
    kafka_oauth_client_secret_file: Path | None = Field(None, description="a file that holds that secret")
    kafka_oauth_scope: str | None = Field(None, description="the scope to ask for, where one is wanted")
    kafka_oauth_audience: str | None = Field(None, description="the audience to ask for, where one is wanted")
    kafka_oauth_token_file: Path | None = Field(
        None, description="OAUTHBEARER: a token that the platform renews, such as a projected one of Kubernetes"
    )
    kafka_aws_region: str | None = Field(
        None, description="OAUTHBEARER: Amazon MSK with IAM in this region; needs the extra `headgate[msk]`"
    )

    @property
    def kafka_security(self) -> Security:
        """What the settings say, not looked at on disk yet."""
        return Security(
            protocol=self.kafka_security_protocol,
            mechanism=self.kafka_sasl_mechanism,
            username=self.kafka_sasl_username or "",
            password=self.secret("kafka_sasl_password"),
            tokens=self._tokens(),
            kerberos=Kerberos(
                self.kafka_sasl_kerberos_service_name or Kerberos.service, self.kafka_sasl_kerberos_domain_name
            ),
            tls=Tls(
                ca=self.kafka_ssl_ca,
                certificate=self.kafka_ssl_certificate,
                key=self.kafka_ssl_key,
                key_password=self.secret("kafka_ssl_key_password"),
                check_hostname=self.kafka_ssl_check_hostname,
            ),
        )

    def _tokens(self) -> Source | None:
        if self.kafka_oauth_token_url:
            secret = self.secret("kafka_oauth_client_secret")
            return ClientCredentials(
                self.kafka_oauth_token_url,
                self.kafka_oauth_client_id or "",
                secret,
                self.kafka_oauth_scope,
                self.kafka_oauth_audience,
            )
        if self.kafka_oauth_token_file:
            return TokenFile(self.kafka_oauth_token_file)
        return AmazonMsk(self.kafka_aws_region) if self.kafka_aws_region else None

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        refuse_impossible(self)
        self.kafka_security.check()
        return self
