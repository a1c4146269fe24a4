# The staged app under the real Azure Functions host.
#   docker build -f infra/docker/functions.Dockerfile -t eventstore-functions .
FROM golang:1.26-bookworm AS build
ARG VERSION=unknown
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN make package VERSION="${VERSION}"

FROM mcr.microsoft.com/azure-functions/dotnet:4
ENV AzureWebJobsScriptRoot=/home/site/wwwroot \
    AzureFunctionsJobHost__Logging__Console__IsEnabled=true \
    FUNCTIONS_WORKER_RUNTIME=custom \
    EVENTSTORE_URL=http://127.0.0.1:80
COPY --from=build /src/build/app /home/site/wwwroot
EXPOSE 80
# Through the host: an instance whose handler does not start is not healthy.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["/home/site/wwwroot/handler", "health"]
