#include "aws/lambda.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "aws/lambda_codec.h"

namespace switchgear::aws {
namespace {

// Makes the callback of a raw call: errors pass, an answer goes through `read`.
template <class T, class Read>
AwsClient::Callback reading(Lambda::Callback<T> callback, Read read) {
  return [callback = std::move(callback), read](const Result<Answer>& answer) {
    callback(answer ? Result<T>(read(*answer)) : Result<T>(answer.error()));
  };
}

template <class T>
AwsClient::Callback reading_body(Lambda::Callback<T> callback,
                                 Result<T> (*read)(std::string_view)) {
  return reading<T>(std::move(callback),
                    [read](const Answer& answer) { return read(answer.body); });
}

// For operations whose answer holds nothing.
AwsClient::Callback done(Lambda::Callback<void> callback) {
  return reading<void>(std::move(callback), [](const Answer&) { return Result<void>{}; });
}

// Nothing was sent yet, or Lambda refused before the function got the request. Lambda's codes are
// those of botocore's model of Invoke but for two that may come later, ServiceException and
// EFSIOException, and those with which AWS refuses any call.
constexpr auto kNotRun = std::to_array<std::string_view>({
    "busy",
    "connect",
    "credentials",
    "dns",
    "invalid_request",
    "proxy",
    "tls",
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "SignatureDoesNotMatch",
    "ThrottlingException",
    "UnrecognizedClientException",
    "CodeArtifactUserDeletedException",
    "CodeArtifactUserFailedException",
    "CodeArtifactUserPendingException",
    "DurableExecutionAlreadyStartedException",
    "EC2AccessDeniedException",
    "EC2ThrottledException",
    "EC2UnexpectedException",
    "EFSMountConnectivityException",
    "EFSMountFailureException",
    "EFSMountTimeoutException",
    "ENILimitReachedException",
    "ENINotReadyException",
    "InvalidParameterValueException",
    "InvalidRequestContentException",
    "InvalidRuntimeException",
    "InvalidSecurityGroupIDException",
    "InvalidSubnetIDException",
    "InvalidZipFileException",
    "KMSAccessDeniedException",
    "KMSDisabledException",
    "KMSInvalidStateException",
    "KMSNotFoundException",
    "ModeNotSupportedException",
    "NoPublishedVersionException",
    "RecursiveInvocationException",
    "RequestTooLargeException",
    "ResourceConflictException",
    "ResourceNotFoundException",
    "ResourceNotReadyException",
    "RuntimeAliasDeletedException",
    "RuntimeVersionDeletedException",
    "S3FilesMountConnectivityException",
    "S3FilesMountFailureException",
    "S3FilesMountTimeoutException",
    "SerializedRequestEntityTooLargeException",
    "ServiceQuotaExceededException",
    "SnapStartException",
    "SnapStartNotReadyException",
    "SnapStartRegenerationFailureException",
    "SnapStartTimeoutException",
    "SubnetIPAddressLimitReachedException",
    "TooManyRequestsException",
    "UnsupportedMediaTypeException",
});

}  // namespace

bool may_have_run(const Error& error) {
  return std::ranges::find(kNotRun, error.code) == kNotRun.end();
}

ServiceCall Lambda::in_time(ServiceCall call) const {
  call.attempt_timeout = attempt_timeout_;
  return call;
}

net::CallHandle Lambda::list_event_source_mappings(const ListMappings& which,
                                                   Callback<MappingsPage> callback) {
  return client_.call(in_time(lambda_codec::list_mappings(which)),
                      reading_body(std::move(callback), &lambda_codec::read_mappings));
}

net::CallHandle Lambda::get_event_source_mapping(const std::string& uuid,
                                                 Callback<EventSourceMapping> callback) {
  return client_.call(in_time(lambda_codec::get_mapping(uuid)),
                      reading_body(std::move(callback), &lambda_codec::read_mapping));
}

net::CallHandle Lambda::update_event_source_mapping(const MappingUpdate& update,
                                                    Callback<EventSourceMapping> callback) {
  return client_.call(in_time(lambda_codec::update_mapping(update)),
                      reading_body(std::move(callback), &lambda_codec::read_mapping));
}

net::CallHandle Lambda::list_tags(const std::string& arn,
                                  Callback<std::map<std::string, std::string>> callback) {
  return client_.call(in_time(lambda_codec::list_tags(arn)),
                      reading_body(std::move(callback), &lambda_codec::read_tags));
}

net::CallHandle Lambda::tag_resource(const std::string& arn,
                                     const std::map<std::string, std::string>& tags,
                                     Callback<void> callback) {
  return client_.call(in_time(lambda_codec::tag(arn, tags)), done(std::move(callback)));
}

net::CallHandle Lambda::untag_resource(const std::string& arn, const std::vector<std::string>& keys,
                                       Callback<void> callback) {
  return client_.call(in_time(lambda_codec::untag(arn, keys)), done(std::move(callback)));
}

net::CallHandle Lambda::get_function_configuration(const std::string& function,
                                                   Callback<FunctionSettings> callback) {
  return client_.call(in_time(lambda_codec::get_function_configuration(function)),
                      reading_body(std::move(callback), &lambda_codec::read_function));
}

net::CallHandle Lambda::invoke(const InvokeOptions& options, Callback<Invocation> callback) {
  return client_.call(lambda_codec::invoke(options),
                      reading<Invocation>(std::move(callback), &lambda_codec::read_invocation));
}

}  // namespace switchgear::aws
